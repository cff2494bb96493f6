using MLNet.Gpt;

namespace ServingApp.Hosting;

/// <summary>The section <c>Serving</c> of the configuration.</summary>
internal sealed record ServingOptions
{
    /// <summary>A model.zip of ML.NET, the folder of an ONNX package, or a checkpoint folder in Hugging Face's layout, which is written as a package first.</summary>
    public string? Model { get; init; }

    /// <summary>The model's name in requests; null (the default) for the file's or folder's name.</summary>
    public string? ModelName { get; init; }

    /// <summary>Whether to serve a tiny model that the program makes itself, in place of <see cref="Model"/>. Default false.</summary>
    public bool Demo { get; init; }

    /// <summary>
    /// LoRA adapters by name, besides those that lie in a package: a request for <c>model@name</c> is answered with that one. Each is a folder in PEFT's layout, where <see cref="Model"/> is a checkpoint folder or a package with room for it:
    /// they share the model's weights and its batch. Or each is the folder of a package with the adapter merged, which is a model of its own in memory. Empty (the default) for none.
    /// </summary>
    public IReadOnlyDictionary<string, string> Adapters { get; init; } = new Dictionary<string, string>();

    /// <summary>The numbers in which the weights of a checkpoint folder are kept; its adapters stay as they are. Default float32; Int8 takes a quarter of the memory.</summary>
    public WeightFormat Weights { get; init; } = WeightFormat.Float32;

    /// <summary>The keys of which a request must carry one, as <c>Authorization: Bearer KEY</c>. Empty (the default) means none, which is possible on loopback alone.</summary>
    public string[] ApiKeys { get; init; } = [];

    /// <summary>Whether keys are asked for: null (the default) means where there are keys, or where the program listens on more than loopback. False opens the program to everybody who reaches it.</summary>
    public bool? RequireApiKey { get; init; }

    /// <summary>The most bytes of a request's body, 1 or more. Default 1 MiB. Beyond that: 413.</summary>
    public int MaxRequestBytes { get; init; } = 1 << 20;

    /// <summary>The most tokens of a prompt, 1 or more; null (the default) for the model's context. Beyond that: 400.</summary>
    public int? MaxPromptTokens { get; init; }

    /// <summary>The most tokens that a request may ask for, for each of its answers, 1 or more; null (the default) for the model's context. Beyond that: 400.</summary>
    public int? MaxNewTokens { get; init; }

    /// <summary>The tokens of an answer whose request does not say, 1 or more; default 256.</summary>
    public int DefaultNewTokens { get; init; } = 256;

    /// <summary>The most answers to one request (n), and the most texts of one request for embeddings, scores or classes is 32 times that. 1 or more, default 8.</summary>
    public int MaxChoices { get; init; } = 8;

    /// <summary>The most answers of a model, with its adapters, that wait for a place, and the most calls for vectors, scores and classes that wait, besides those that are computed, 0 or more. Default 64. Beyond that: 429.</summary>
    public int QueueLength { get; init; } = 64;

    /// <summary>The most answers of a model, with its adapters, that are computed together, 1 or more. Default 16. More gives more tokens a second and takes more memory for the key/value cache.</summary>
    public int BatchRows { get; init; } = 16;

    /// <summary>The most tokens of prompts that are computed between two tokens of the answers under way, 1 or more. Default 256.</summary>
    public int PrefillTokens { get; init; } = 256;

    /// <summary>The tokens of past prompts of a model whose keys and values are kept, so that a conversation goes on from where it stood, 0 or more. 0 (the default) keeps none. A token takes 2 · layers · width numbers.</summary>
    public int PrefixCacheTokens { get; init; }

    /// <summary>How many calls for vectors, scores and classes are computed at a time, beside the answers, 1 to 64. Default 1; they take their share of the processor.</summary>
    public int ConcurrentCalls { get; init; } = 1;

    /// <summary>The most connections at a time, 1 or more. Default 1,000. One more closes the one that has been idle longest, without a request that has come whole.</summary>
    public int MaxConnections { get; init; } = 1_000;

    /// <summary>The most seconds from a request's arrival to its last token, above 0. Default 120. Beyond that: 408, or an error event in a stream.</summary>
    public double RequestSeconds { get; init; } = 120;

    /// <summary>The most seconds that requests under way get to end when the program is stopped, 0 or more. Default 30.</summary>
    public double ShutdownSeconds { get; init; } = 30;

    /// <summary>The texts that one request for embeddings, scores or classes may have.</summary>
    public int MaxTexts => 32 * MaxChoices;

    /// <summary>How requests share a model that writes.</summary>
    public GenerationQueueOptions Sharing => new() { MaxRows = BatchRows, MaxWaiting = QueueLength, PrefillTokens = PrefillTokens, PrefixCacheTokens = PrefixCacheTokens };

    /// <summary>Reads the section.</summary>
    /// <exception cref="ServingConfigurationException">A setting does not exist, is one value where several are expected, or is outside its range; or there is no model.</exception>
    /// <exception cref="InvalidOperationException">A value is of the wrong type.</exception>
    public static ServingOptions Read(IConfigurationSection section)
    {
        string[] names = [.. typeof(ServingOptions).GetProperties().Where(static property => property.CanWrite).Select(static property => property.Name)];
        foreach (IConfigurationSection setting in section.GetChildren())
        {
            if (!names.Contains(setting.Key, StringComparer.OrdinalIgnoreCase)) throw new ServingConfigurationException($"There is no setting {setting.Path}; there are {string.Join(", ", names)}.");
        }

        // What the binder says of these has their value in it, and a key is a secret.
        if (!string.IsNullOrEmpty(section[nameof(ApiKeys)])) throw new ServingConfigurationException($"{section.Path}:{nameof(ApiKeys)} is one value, and it is a list; give --key KEY, {section.Path}:{nameof(ApiKeys)}:0, or {section.Path}__{nameof(ApiKeys)}__0 in the environment.");
        if (!string.IsNullOrEmpty(section[nameof(Adapters)])) throw new ServingConfigurationException($"{section.Path}:{nameof(Adapters)} is '{section[nameof(Adapters)]}', without a name; give --adapter NAME=FOLDER, or {section.Path}:{nameof(Adapters)}:NAME.");
        return (section.Get<ServingOptions>(static binder => binder.ErrorOnUnknownConfiguration = true) ?? new()).Validate();
    }

    /// <summary>Checks the values.</summary>
    /// <exception cref="ServingConfigurationException">A value is outside its range, or there is no model.</exception>
    public ServingOptions Validate()
    {
        Require(Demo != Model is not null, nameof(Model), Model is null ? "missing" : $"'{Model}' beside {nameof(Demo)}", "the path of a model, or leave it out and give --demo");
        Require(Model is not "", nameof(Model), "empty", "the path of a model");
        Require(ModelName is not "", nameof(ModelName), "empty", "a name of one character or more, or left out");
        Require(Adapters.Keys.All(static name => name.Length > 0 && !name.Contains('@', StringComparison.Ordinal)) && Adapters.Values.All(static folder => !string.IsNullOrEmpty(folder)), nameof(Adapters), $"[{string.Join(", ", Adapters)}]", "names without '@', each with a folder");
        Require(Enum.IsDefined(Weights), nameof(Weights), Weights, string.Join(", ", Enum.GetNames<WeightFormat>()));
        Require(ApiKeys.All(static key => key.Length > 0), nameof(ApiKeys), "a list with an empty key", "keys of one character or more");
        Require(RequireApiKey is not true || ApiKeys.Length > 0, nameof(RequireApiKey), "true without a key", "true with at least one of ApiKeys");
        Require(MaxRequestBytes >= 1, nameof(MaxRequestBytes), MaxRequestBytes, "1 or more");
        Require(MaxPromptTokens is null or >= 1, nameof(MaxPromptTokens), MaxPromptTokens, "1 or more");
        Require(MaxNewTokens is null or >= 1, nameof(MaxNewTokens), MaxNewTokens, "1 or more");
        Require(DefaultNewTokens >= 1, nameof(DefaultNewTokens), DefaultNewTokens, "1 or more");
        Require(MaxChoices is >= 1 and <= 1024, nameof(MaxChoices), MaxChoices, "1 to 1024");
        Require(QueueLength >= 0, nameof(QueueLength), QueueLength, "0 or more");
        Require(BatchRows >= 1, nameof(BatchRows), BatchRows, "1 or more");
        Require(PrefillTokens >= 1, nameof(PrefillTokens), PrefillTokens, "1 or more");
        Require(PrefixCacheTokens >= 0, nameof(PrefixCacheTokens), PrefixCacheTokens, "0 or more");
        Require(ConcurrentCalls is >= 1 and <= 64, nameof(ConcurrentCalls), ConcurrentCalls, "1 to 64");
        Require(MaxConnections >= 1, nameof(MaxConnections), MaxConnections, "1 or more");
        Require(RequestSeconds is > 0 and <= 86_400, nameof(RequestSeconds), RequestSeconds, "above 0 and at most 86400");
        Require(ShutdownSeconds is >= 0 and <= 86_400, nameof(ShutdownSeconds), ShutdownSeconds, "0 to 86400");
        return this;
    }

    private static void Require(bool holds, string name, object? value, string range)
    {
        if (!holds) throw new ServingConfigurationException(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"Serving:{name} is {value}; it must be {range}."));
    }
}
