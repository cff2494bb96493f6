using System.Reflection;
using PublicApiGenerator;

namespace MLNet.Gpt.Architecture.Tests.PublicApi;

/// <summary>A change of the public API is a decision: it shows as a difference in <c>approved/</c>, and fails until that is committed.</summary>
[TestClass]
public class PublicApiTests
{
    public static IEnumerable<object[]> Libraries => Repository.Libraries.Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void The_public_API_is_the_approved_one(string library)
    {
        string actual = Assembly.Load(library).GeneratePublicApi(new ApiGeneratorOptions
        {
            IncludeAssemblyAttributes = false,
            ExcludeAttributes = ["System.Runtime.CompilerServices.NullableContextAttribute", "System.Runtime.CompilerServices.NullableAttribute"],
        }).ReplaceLineEndings("\n").TrimEnd() + "\n";

        string path = Repository.PathOf("tests", "Architecture.Tests", "approved", library + ".txt");
        if (Environment.GetEnvironmentVariable("MLNET_GPT_APPROVE_API") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, actual);
        }

        string[] approved = File.Exists(path) ? File.ReadAllLines(path) : [], lines = actual.TrimEnd().Split('\n');
        List<string> difference = [.. approved.Except(lines).Select(line => "- " + line), .. lines.Except(approved).Select(line => "+ " + line)];
        if (difference.Count > 0 || approved.Length != lines.Length)
        {
            Assert.Fail($"The public API of {library} isn't the approved one. If it should be as it is now, run eng/approve-api.sh and commit "
                + $"tests/Architecture.Tests/approved/{library}.txt.\n{string.Join('\n', difference)}");
        }
    }

    // Where a user begins without being led there by another public type, or what a user writes and hands over.
    private static readonly string[] Entrances =
    [
        "GptContextExtensions", "GptTrainersExtensions", "GptModelExtensions",                                                      // ml.Gpt(), and what extends it
        "Corpus", "TokenFileWriter", "ConversationJson", "PromptTemplate", "PersonalData", "TextChunker",                           // data
        "GptCheckpoint", "OnnxExporter", "GgufExporter", "RunCheckpoints",                                                          // files
        "OnnxCausalModel", "OnnxTextClassifier", "OnnxRewardModel", "TorchCausalModel", "TorchTextClassifier", "TorchRewardModel",  // engines
        "GptGenerationQueue", "ChatPrompt", "ChatReasoning", "RetrievalChatClient`1", "InMemoryVectorStore",                          // apps
        "BradleyTerryRatings", "EloRatings", "LossScalingLaw", "ComputeScalingLaw", "AlignmentReport",                              // evaluation
        "LossCurve", "CalibrationPicture", "ConfusionMatrixPicture", "IntervalPicture",                                             // pictures of it
        "IForkableTokenMask",                                                                                                       // a constraint of one's own under beam search
    ];

    /// <summary>What nobody is led to, nobody needs: it is internal, since the assemblies see each other's internals.</summary>
    [TestMethod]
    public void A_public_type_is_an_exception_or_an_entrance_or_part_of_another_public_types_signature()
    {
        Type[] all = [.. Repository.Libraries.SelectMany(static name => Assembly.Load(name).GetExportedTypes()).Where(static type => type.DeclaringType is null)];
        var named = new HashSet<Type>();
        foreach (Type type in all)
        {
            foreach (Type used in SignatureOf(type).SelectMany(Parts).Where(used => used != type)) named.Add(used);
        }

        string[] alone = [.. all.Where(type => !named.Contains(type) && !typeof(Exception).IsAssignableFrom(type)).Select(static type => type.Name).Order(StringComparer.Ordinal)];
        CollectionAssert.AreEqual(Entrances.Order(StringComparer.Ordinal).ToArray(), alone, $"found: {string.Join(", ", alone.Except(Entrances))}; no entrance any more: {string.Join(", ", Entrances.Except(alone))}");
    }

    private static IEnumerable<Type> SignatureOf(Type type)
    {
        const BindingFlags All = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        List<Type> types = [.. type.GetInterfaces()];
        if (type.BaseType is { } parent) types.Add(parent);
        foreach (MethodBase method in type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All)).Where(static method => method.IsPublic || method.IsFamily))
        {
            types.AddRange(method.GetParameters().Select(static parameter => parameter.ParameterType));
            if (method is MethodInfo { ReturnType: var returned }) types.Add(returned);
        }

        types.AddRange(type.GetFields(All).Where(static field => field.IsPublic).Select(static field => field.FieldType));
        return types.Concat(type.GetNestedTypes().SelectMany(SignatureOf));
    }

    /// <summary>A type and those that it is made of.</summary>
    private static IEnumerable<Type> Parts(Type type)
    {
        if (type.HasElementType) return Parts(type.GetElementType()!);
        return type.IsGenericType ? type.GetGenericArguments().Where(argument => argument != type).SelectMany(Parts).Append(type.GetGenericTypeDefinition()) : [type];
    }
}
