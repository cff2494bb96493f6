using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests;

/// <summary>
/// Reads assemblies without running them. One definition per simple name, whatever version a reference asks for, so that
/// the declarations that two assemblies refer to are the same objects.
/// </summary>
internal sealed class InspectedAssemblies : IAssemblyResolver
{
    private readonly Dictionary<string, AssemblyDefinition> _read = [];
    private readonly string[] _folders = [AppContext.BaseDirectory, Path.GetDirectoryName(typeof(object).Assembly.Location)!];

    /// <summary>An assembly beside this one.</summary>
    public AssemblyDefinition Named(string name) =>
        Find(name) ?? throw new FileNotFoundException($"{name}.dll isn't in {AppContext.BaseDirectory}, where the build puts everything that src/ references.");

    /// <summary>Whether an assembly of that name lies beside this one or belongs to .NET.</summary>
    public AssemblyDefinition? Find(string name)
    {
        lock (_read)
        {
            if (_read.TryGetValue(name, out AssemblyDefinition? known))
                return known;
            string? path = _folders.Select(folder => Path.Combine(folder, name + ".dll")).FirstOrDefault(File.Exists);
            return path is null ? null : Read(path);
        }
    }

    public AssemblyDefinition Resolve(AssemblyNameReference name) => Find(name.Name) ?? throw new AssemblyResolutionException(name);

    public AssemblyDefinition Resolve(AssemblyNameReference name, ReaderParameters parameters) => Resolve(name);

    public void Dispose()
    {
        foreach (AssemblyDefinition assembly in _read.Values)
            assembly.Dispose();
    }

    private AssemblyDefinition Read(string path)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        if (!_read.TryGetValue(name, out AssemblyDefinition? assembly))
            _read[name] = assembly = AssemblyDefinition.ReadAssembly(path, new ReaderParameters { AssemblyResolver = this });
        return assembly;
    }
}
