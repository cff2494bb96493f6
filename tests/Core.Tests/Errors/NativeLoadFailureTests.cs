namespace MLNet.Gpt.Core.Tests.Errors;

// The messages are those of .NET 10 on Debian 12, shortened by lines that say the same again.
[TestClass]
public sealed class NativeLoadFailureTests
{
    private const string Head =
        "Unable to load shared library 'LibTorchSharp' or one of its dependencies. In order to help diagnose loading problems, consider using a tool like strace. If you're using glibc, consider setting the LD_DEBUG environment variable: \n";

    private const string Tried =
        "/my app/LibTorchSharp.so: cannot open shared object file: No such file or directory\n/my app/libLibTorchSharp.so: cannot open shared object file: No such file or directory\n/my app/libLibTorchSharp: cannot open shared object file: No such file or directory\n";

    [TestMethod]
    public void An_app_without_the_library_is_told_which_package_to_reference()
    {
        NativeLibraryException error = Explain(Head + Tried);
        Assert.IsTrue(error.IsMissing);
        Assert.AreEqual("The native library of Torch can't be loaded: the app brings no libLibTorchSharp.so. Reference it.", error.Message);
        Assert.IsTrue(Explain("Unable to load DLL 'LibTorchSharp' or one of its dependencies: The specified module could not be found. (0x8007007E)").IsMissing);
    }

    [TestMethod]
    public void A_library_that_comes_without_its_other_half_names_what_is_missing()
    {
        NativeLibraryException error = Explain(Head + Tried + "libtorch.so: cannot open shared object file: No such file or directory\n" + Tried);
        Assert.IsTrue(error.IsMissing);
        Assert.AreEqual("The native library of Torch can't be loaded: the app brings no libtorch.so. Reference it.", error.Message);
    }

    [TestMethod]
    public void A_missing_library_of_the_system_is_no_missing_package()
    {
        NativeLibraryException error = Explain(Head + Tried + "LibTorchSharp.so: cannot open shared object file: No such file or directory\nlibgomp.so.1: cannot open shared object file: No such file or directory\n");
        Assert.IsFalse(error.IsMissing);
        StringAssert.Contains(error.Message, "it needs libgomp.so.1, which this system doesn't have. Install");
    }

    [TestMethod]
    [DataRow("GLIBCXX_3.4.32", "GLIBCXX_3.4.30", "Ubuntu 24.04, Debian 13")]
    [DataRow("GLIBCXX_3.4.40", "GLIBCXX_3.4.30", "a newer release")]
    [DataRow("GLIBC_2.38", "GLIBC_2.9", "Ubuntu 24.04, Debian 13")]
    [DataRow("CXXABI_1.3.99", null, "a newer release")]
    public void A_system_that_is_too_old_is_told_both_versions(string needed, string? found, string remedy)
    {
        // By number: 3.4.30 is newer than 3.4.9, and GLIBCXX_DEBUG_MESSAGE_LENGTH and GLIBC_PRIVATE are no versions.
        using var folder = new TemporaryFolder();
        string library = folder["libstdc++.so.6"];
        File.WriteAllText(library, "\u007fELF\0GLIBCXX_3.4.30\0GLIBCXX_3.4.9\0GLIBCXX_DEBUG_MESSAGE_LENGTH\0GLIBC_2.2.5\0GLIBC_2.9\0GLIBC_PRIVATE\0");
        NativeLibraryException error = Explain(Head + Tried + $"{library}: version `{needed}' not found (required by /my app/libLibTorchSharp.so)\n" + Tried);
        Assert.AreEqual(needed, error.VersionNeeded);
        Assert.AreEqual(found, error.VersionFound);
        Assert.IsFalse(error.IsMissing);
        StringAssert.Contains(error.Message, found is null ? $"{library} lacks {needed}, which libLibTorchSharp.so needs" : $"{library} ends at {found} and lacks {needed}, which libLibTorchSharp.so needs");
        StringAssert.Contains(error.Message, remedy);
    }

    [TestMethod]
    public void A_system_library_that_cannot_be_read_still_names_the_version_needed()
    {
        NativeLibraryException error = Explain(Head + "/nowhere/libc.so.6: version `GLIBC_2.38' not found (required by /app/libtorch_cpu.so)\n");
        Assert.AreEqual(("GLIBC_2.38", null), (error.VersionNeeded, error.VersionFound));
    }

    [TestMethod]
    public void Whatever_else_the_loader_says_is_passed_on()
    {
        NativeLibraryException error = Explain(Head + Tried + "/my app/libLibTorchSharp.so: undefined symbol: _ZN5torch3fooEv\n" + Tried);
        Assert.IsFalse(error.IsMissing);
        StringAssert.Contains(error.Message, "loaded: /my app/libLibTorchSharp.so: undefined symbol: _ZN5torch3fooEv. It may be");
        StringAssert.Contains(Explain(new TypeInitializationException("A", new EntryPointNotFoundException("no 'OrtGetApiBase'."))).Message, "loaded: no 'OrtGetApiBase'. It may be");
    }

    private static NativeLibraryException Explain(string message) => Explain(new DllNotFoundException(message));

    private static NativeLibraryException Explain(Exception loader) => NativeLoadFailure.Explain("Torch", "Reference it.", loader, "libLibTorchSharp", "LibTorchSharp", "libtorch", "libc10");
}
