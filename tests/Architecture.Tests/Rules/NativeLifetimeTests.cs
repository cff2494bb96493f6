using Mono.Cecil;
using Mono.Cecil.Cil;

namespace MLNet.Gpt.Architecture.Tests.Rules;

/// <summary>
/// TorchSharp frees a native object when the garbage collector finds that its owner is used no more, and that may be before libtorch has read it: the calls take the address
/// and let go of the owner. Whoever makes an owner that only such a call knows computes with freed memory now and then.
/// </summary>
[TestClass]
public class NativeLifetimeTests
{
    private const string Scalar = "TorchSharp.Scalar", Generator = "TorchSharp.torch/Generator";

    [TestMethod]
    public void Numbers_reach_libtorch_through_one_class_which_keeps_them_alive()
    {
        using var assemblies = new InspectedAssemblies();
        HashSet<string> makers = MakersOf(Scalar, assemblies);
        Assert.Contains("TorchSharp.torch/Tensor TorchSharp.torch/Tensor::op_Addition(TorchSharp.torch/Tensor,TorchSharp.torch/Tensor)", makers);
        Assert.DoesNotContain("TorchSharp.torch/Tensor TorchSharp.torch/Tensor::op_Multiply(TorchSharp.torch/Tensor,TorchSharp.torch/Tensor)", makers);

        string[] calls = [.. Calls(assemblies, makers, except: "MLNet.Gpt.TensorArithmetic")];
        Assert.IsEmpty(calls, $"TorchSharp makes a number there that only the call knows; TensorArithmetic has the same with one that is kept alive:\n{string.Join('\n', calls)}");
    }

    [TestMethod]
    public void No_generator_of_random_numbers_is_made_that_only_a_call_knows()
    {
        using var assemblies = new InspectedAssemblies();
        HashSet<string> makers = MakersOf(Generator, assemblies);
        makers.RemoveWhere(static method => method.StartsWith(Generator + " ", StringComparison.Ordinal) || method.Contains(Generator + "::.ctor(", StringComparison.Ordinal));   // those give it to the caller
        Assert.Contains("TorchSharp.torch/Tensor TorchSharp.torch::get_rng_state()", makers);

        string[] calls = [.. Calls(assemblies, makers, except: null)];
        Assert.IsEmpty(calls, $"Keep a Generator of your own alive until the call is over (using Generator generator = Generator.Default):\n{string.Join('\n', calls)}");
    }

    /// <summary>The methods of TorchSharp that make an object of a type, themselves or by what they call.</summary>
    private static HashSet<string> MakersOf(string type, InspectedAssemblies assemblies)
    {
        ModuleDefinition torch = assemblies.Named("TorchSharp").MainModule;
        var callers = new Dictionary<string, List<string>>();
        foreach (MethodDefinition method in Methods(torch))
        {
            foreach (MethodReference called in CalledBy(method))
            {
                // The body of an iterator or of an asynchronous method is one of the object's methods.
                if (called is { Name: ".ctor", DeclaringType: TypeDefinition made } && made.Name.StartsWith('<')) foreach (MethodDefinition body in made.Methods) Add(body.FullName, method);
                if (called.DeclaringType.GetElementType().Scope == torch) Add(NameOf(called), method);
            }

            // A call of what a method overrides may be one of that method.
            for (TypeReference? ancestor = method.DeclaringType.BaseType; method is { IsVirtual: true, IsNewSlot: false } && ancestor?.GetElementType() is TypeDefinition definition; ancestor = definition.BaseType)
            {
                if (definition.Methods.FirstOrDefault(one => one.IsVirtual && one.Name == method.Name && one.Parameters.Count == method.Parameters.Count) is { } overridden) Add(method.FullName, overridden);
            }
        }

        HashSet<string> makers = [.. torch.GetType(type).Methods.Where(static method => method.IsConstructor).Select(static method => method.FullName)];
        var pending = new Queue<string>(makers);
        while (pending.TryDequeue(out string? maker))
        {
            foreach (string caller in callers.GetValueOrDefault(maker) ?? [])
            {
                if (makers.Add(caller)) pending.Enqueue(caller);
            }
        }

        return makers;

        void Add(string called, MethodDefinition caller)
        {
            if (!callers.TryGetValue(called, out List<string>? known)) callers[called] = known = [];
            known.Add(caller.FullName);
        }
    }

    /// <summary>Where src/ calls some methods, outside a class.</summary>
    private static IEnumerable<string> Calls(InspectedAssemblies assemblies, HashSet<string> methods, string? except) =>
        from library in Repository.Libraries
        from method in Methods(assemblies.Named(library).MainModule)
        where except is null || (method.DeclaringType.FullName != except && !method.DeclaringType.FullName.StartsWith(except + "/", StringComparison.Ordinal))
        from called in CalledBy(method)
        where called.DeclaringType.GetElementType().Scope.Name == "TorchSharp" && methods.Contains(NameOf(called))
        select $"{method.FullName} calls {called.FullName}";

    private static IEnumerable<MethodDefinition> Methods(ModuleDefinition module) => module.GetTypes().SelectMany(static type => type.Methods);

    private static IEnumerable<MethodReference> CalledBy(MethodDefinition method) => method.HasBody ? method.Body.Instructions.Select(static instruction => instruction.Operand).OfType<MethodReference>() : [];

    /// <summary>The name of the declaration, whatever the type arguments.</summary>
    private static string NameOf(MethodReference method) => (method.Resolve() ?? method).FullName;
}
