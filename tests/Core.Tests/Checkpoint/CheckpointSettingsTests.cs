using System.Text.Json.Nodes;

namespace MLNet.Gpt.Core.Tests.Checkpoint;

/// <summary>config.json and generation_config.json, key by key.</summary>
[TestClass]
public sealed class CheckpointSettingsTests
{
    // The whole file, as transformers' GPT2Config names its members; GPT-1's has fewer.
    [TestMethod]
    public void A_configuration_is_written_with_all_keys_and_indented()
    {
        Assert.AreEqual(
            """
            {
              "model_type": "gpt2",
              "architectures": [
                "GPT2LMHeadModel"
              ],
              "vocab_size": 11,
              "n_positions": 6,
              "n_ctx": 6,
              "n_embd": 4,
              "n_layer": 2,
              "n_head": 2,
              "n_inner": null,
              "activation_function": "gelu_new",
              "embd_pdrop": 0.2,
              "attn_pdrop": 0.1,
              "resid_pdrop": 0.3,
              "layer_norm_epsilon": 1E-05,
              "initializer_range": 0.02,
              "scale_attn_weights": true,
              "scale_attn_by_inverse_layer_idx": false,
              "reorder_and_upcast_attn": false,
              "add_cross_attention": false,
              "use_cache": true,
              "tie_word_embeddings": true,
              "bos_token_id": 10,
              "eos_token_id": 10,
              "torch_dtype": "float32"
            }
            """.ReplaceLineEndings("\n"),
            GptConfigJson.Write(CheckpointFixtures.Gpt2, endOfTextId: 10).ReplaceLineEndings("\n"));
        Assert.AreEqual(
            """{"model_type":"openai-gpt","architectures":["OpenAIGPTLMHeadModel"],"vocab_size":11,"n_positions":6,"n_ctx":6,"n_embd":4,"n_layer":2,"n_head":2,"afn":"gelu","embd_pdrop":0.2,"attn_pdrop":0.1,"resid_pdrop":0.3,"layer_norm_epsilon":1E-05,"initializer_range":0.02,"tie_word_embeddings":true,"bos_token_id":null,"eos_token_id":null,"torch_dtype":"float32"}""",
            Plain(CheckpointFixtures.Gpt2 with { BlockForm = GptBlockForm.PostNorm }));
        string own = Plain(CheckpointFixtures.Gpt2 with { AttentionPattern = GptAttentionPattern.AlternatingDenseAndBanded, AttentionBandWidth = 3, FeedForwardSize = 7 });
        StringAssert.Contains(own, """model_type":"mlnet-gpt","architectures":["MLNetGptLMHeadModel"],""");
        StringAssert.Contains(own, """n_inner":7,"activation_function":"gelu_new","block_form":"pre_norm","attention_pattern":"alternating_dense_and_banded","attention_band_width":3,""");
        StringAssert.Contains(Plain(CheckpointFixtures.Gpt2 with { BlockForm = GptBlockForm.PostNorm, FeedForwardSize = 7 }), """block_form":"post_norm","attention_pattern":"dense","embd_pdrop":""");

        static string Plain(GptConfig config) => JsonNode.Parse(GptConfigJson.Write(config))!.ToJsonString();
    }

    [TestMethod]
    public void A_configuration_is_read_from_a_text_and_from_a_file()
    {
        using var folder = new TemporaryFolder();
        GptConfig config = CheckpointFixtures.Gpt2 with { FeedForwardSize = 7 };
        string text = GptConfigJson.Write(config);
        Assert.AreEqual(config, GptConfigJson.Parse(text, "elsewhere"));
        Assert.AreEqual(config, GptConfigJson.Read(folder.Write("config.json", text)));
        PackageHead head = new("mean", OnnxHeadKind.Embedding) { Normalize = true };
        string path = folder.Write("heads.json", GptConfigJson.Write(config, heads: [head]));
        Assert.AreEqual(config, GptConfigJson.Read(path));
        Assert.AreEqual(head, PackageHeadsJson.Read(path, config).Single());
        Assert.AreEqual("elsewhere", Assert.ThrowsExactly<CorruptFileException>(() => GptConfigJson.Parse("[]", "elsewhere")).Path);
        Assert.AreEqual("config", Assert.ThrowsExactly<ArgumentNullException>(() => GptConfigJson.Write(null!)).ParamName);
        Assert.AreEqual("json", Assert.ThrowsExactly<ArgumentNullException>(() => GptConfigJson.Parse(null!, "elsewhere")).ParamName);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => GptConfigJson.Write(config with { HeadCount = 3 }));
        Assert.ThrowsExactly<FileNotFoundException>(() => GptConfigJson.Read(folder["none"]));
    }

    // transformers' OpenAIGPTConfig has neither: what stands there under GPT-2's names says nothing.
    [TestMethod]
    public void GPT1_has_no_feed_forward_size_and_another_name_for_the_activation()
    {
        string text = """{"model_type":"openai-gpt","vocab_size":11,"n_positions":6,"n_embd":4,"n_layer":2,"n_head":2,"n_inner":7,"activation_function":"relu","afn":"gelu"}""";
        GptConfig config = GptConfigJson.Parse(text, "a");
        Assert.IsNull(config.FeedForwardSize);
        Assert.AreEqual((GptBlockForm.PostNorm, 0.1f, 0.1f, 0.1f, 1e-5f, 0.02f), (config.BlockForm, config.EmbeddingDropout, config.AttentionDropout, config.ResidualDropout, config.LayerNormEpsilon, config.InitializerRange));
    }

    [TestMethod]
    public void What_says_nothing_about_the_tokens_is_passed_over_and_what_is_honoured_is_not_called_unsupported()
    {
        (GenerationOptions options, IReadOnlyList<string> unsupported) = Read(
            """
            {"_from_model_config":true,"transformers_version":"5","bos_token_id":1,"pad_token_id":1,"use_cache":true,"return_dict_in_generate":false,"output_attentions":false,
             "output_hidden_states":false,"output_scores":false,"output_logits":false,"penalty_alpha":0.5,"eos_token_id":0,"do_sample":false,"max_new_tokens":9,"min_new_tokens":3,"temperature":0.5,"top_k":5,
             "top_p":0.75,"repetition_penalty":1.25,"stop_strings":"x","min_p":0.125,"typical_p":0.5,"no_repeat_ngram_size":4,"num_beams":3,"length_penalty":0.25,"diversity_penalty":null}
            """);
        CollectionAssert.AreEqual(new[] { "penalty_alpha" }, unsupported.ToArray());
        CollectionAssert.AreEqual(new[] { 0 }, options.StopTokenIds.ToArray());
        CollectionAssert.AreEqual(new[] { "x" }, options.StopStrings.ToArray());
        Assert.AreEqual(
            new GenerationOptions
            {
                MaxNewTokens = 9, MinNewTokens = 3, Temperature = 0, TopK = 5, TopP = 0.75f, RepetitionPenalty = 1.25f, MinP = 0.125f, TypicalP = 0.5f, NoRepeatNgramSize = 4, BeamCount = 3, LengthPenalty = 0.25f,
                StopStrings = options.StopStrings, StopTokenIds = options.StopTokenIds,
            },
            options);
    }

    [TestMethod]
    public void Prompt_lookup_is_honoured()
    {
        (GenerationOptions options, IReadOnlyList<string> unsupported) = Read("""{"prompt_lookup_num_tokens":6}""");
        Assert.AreEqual(6, options.PromptLookupTokens);
        Assert.IsEmpty(unsupported);
    }

    // GenerationConfig of transformers: top_k is 50 unless the file says something else, null included, and nothing is drawn unless do_sample says so.
    [TestMethod]
    [DataRow("""{}""", 0f, 0)]
    [DataRow("""{"temperature":0.5}""", 0f, 0)]
    [DataRow("""{"do_sample":true}""", 1f, 50)]
    [DataRow("""{"do_sample":true,"top_p":1.0}""", 1f, 50)]
    [DataRow("""{"do_sample":true,"top_k":null}""", 1f, 0)]
    [DataRow("""{"do_sample":true,"temperature":0.5,"top_k":7}""", 0.5f, 7)]
    [DataRow("""{"do_sample":true,"temperature":0}""", 0f, 50)]
    public void What_the_file_leaves_out_is_as_in_transformers(string json, float temperature, int topK)
    {
        GenerationOptions options = Read(json).Options;
        Assert.AreEqual((temperature, topK), (options.Temperature, options.TopK));
    }

    [TestMethod]
    public void Beams_that_draw_are_named_and_one_beam_is_none()
    {
        (GenerationOptions options, IReadOnlyList<string> unsupported) = Read("""{"do_sample":true,"num_beams":4}""");
        Assert.AreEqual((1, "num_beams"), (options.BeamCount, string.Join(' ', unsupported)));
        (options, unsupported) = Read("""{"do_sample":true,"num_beams":1}""");
        Assert.AreEqual((1, ""), (options.BeamCount, string.Join(' ', unsupported)));
    }

    [TestMethod]
    [DataRow("""{"temperature":-1}""", "'temperature' is -1; it must be 0 or more.")]
    [DataRow("""{"eos_token_id":[3,-1]}""", "'eos_token_id' is [3,-1]; it must be a token id or an array of them.")]
    [DataRow("""{"eos_token_id":"x"}""", "'eos_token_id' is \"x\"; it must be a token id or an array of them.")]
    [DataRow("""{"stop_strings":["x",1]}""", "'stop_strings' is [\"x\",1]; it must be a string or an array of them.")]
    [DataRow("""{"stop_strings":1}""", "'stop_strings' is 1; it must be a string or an array of them.")]
    [DataRow("""{"top_p":7}""", "TopP")]
    public void A_wrong_setting_is_told_with_what_it_must_be(string json, string problem)
    {
        string message = Assert.ThrowsExactly<CorruptFileException>(() => Read(json)).Message;
        StringAssert.StartsWith(message, "'a.json' can't be read: " + problem);
        StringAssert.EndsWith(message, " Fetch or write the checkpoint again.");
    }

    [TestMethod]
    public void Settings_are_written_where_they_say_something()
    {
        Assert.AreEqual(
            """{"bos_token_id":8,"eos_token_id":[3,8],"max_new_tokens":9,"min_new_tokens":2,"do_sample":false,"repetition_penalty":1.25,"min_p":0.125,"typical_p":0.5,"no_repeat_ngram_size":4,"prompt_lookup_num_tokens":6,"stop_strings":["x"]}""",
            Written(new() { MaxNewTokens = 9, MinNewTokens = 2, Temperature = 0, RepetitionPenalty = 1.25f, MinP = 0.125f, TypicalP = 0.5f, NoRepeatNgramSize = 4, PromptLookupTokens = 6, StopStrings = ["x"], StopTokenIds = [3] }, 8));
        Assert.AreEqual(
            """{"max_new_tokens":9,"do_sample":false,"repetition_penalty":1,"num_beams":3,"length_penalty":0.25}""", Written(new() { MaxNewTokens = 9, Temperature = 0, BeamCount = 3, LengthPenalty = 0.25f }, null));
        Assert.AreEqual(
            """{"bos_token_id":8,"eos_token_id":3,"max_new_tokens":9,"do_sample":true,"temperature":0.5,"top_k":7,"top_p":0.75,"repetition_penalty":1}""",
            Written(new() { MaxNewTokens = 9, Temperature = 0.5f, TopK = 7, TopP = 0.75f, StopAtEndOfText = false, StopTokenIds = [3] }, 8));
        using var stream = new MemoryStream();
        CheckpointGeneration.Write(stream, null, 8);
        StringAssert.Contains(System.Text.Encoding.UTF8.GetString(stream.ToArray()), "\n  \"eos_token_id\": 8,");

        static string Written(GenerationOptions options, int? endOfText)
        {
            using var stream = new MemoryStream();
            CheckpointGeneration.Write(stream, options, endOfText);
            return JsonNode.Parse(stream.ToArray())!.ToJsonString();
        }
    }

    [TestMethod]
    public void A_tokenizer_may_fill_the_model_and_may_come_in_either_form()
    {
        using var folder = new TemporaryFolder();
        GptTokenizer tokenizer = GptTokenizer.FromCharacters(["abcdefghij"]);
        Assert.AreEqual(11, tokenizer.VocabularySize);
        GptCheckpoint.Write(folder["model"], new RandomWeights(CheckpointFixtures.Gpt2), tokenizer);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["model"])) Assert.AreEqual(tokenizer.Hash, checkpoint.Tokenizer!.Hash);

        GptTokenizer pairs = GptTokenizer.TrainBytePairEncoding(["abab"], new() { VocabularySize = 258, MinimumFrequency = 1 });
        GptCheckpoint.Write(folder["pairs"], new RandomWeights(CheckpointFixtures.Gpt2 with { VocabularySize = 258 }), pairs);
        File.Delete(folder["pairs/tokenizer.json"]);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["pairs"])) CollectionAssert.AreEqual(pairs.Encode("abba"), checkpoint.Tokenizer!.Encode("abba"));
        GptCheckpoint.Write(folder["pairs"], new RandomWeights(CheckpointFixtures.Gpt2 with { VocabularySize = 258 }), pairs);
        File.Delete(folder["pairs/vocab.json"]);
        using (GptCheckpoint checkpoint = GptCheckpoint.Open(folder["pairs"])) CollectionAssert.AreEqual(pairs.Encode("abba"), checkpoint.Tokenizer!.Encode("abba"));
    }

    private static (GenerationOptions Options, IReadOnlyList<string> Unsupported) Read(string json)
    {
        using CheckpointJson parsed = CheckpointJson.Parse(System.Text.Encoding.UTF8.GetBytes(json), "a.json");
        GenerationOptions options = CheckpointGeneration.Read(parsed, out IReadOnlyList<string> unsupported);
        return (options, unsupported);
    }

    [TestMethod]
    [DataRow("""{"min_new_tokens":200}""", 200, 200)]
    [DataRow("""{"min_new_tokens":100}""", 100, 128)]
    [DataRow("""{"min_new_tokens":200,"max_new_tokens":300}""", 200, 300)]
    public void A_files_least_goes_before_the_librarys_own_most(string json, int least, int most)
    {
        using CheckpointJson read = CheckpointJson.Parse(System.Text.Encoding.UTF8.GetBytes(json), "generation_config.json");
        GenerationOptions options = CheckpointGeneration.Read(read, out _);
        Assert.AreEqual((least, most), (options.MinNewTokens, options.MaxNewTokens));
    }

    [TestMethod]
    public void A_files_own_most_below_its_least_is_an_error_with_both()
    {
        using CheckpointJson read = CheckpointJson.Parse("""{"min_new_tokens":20,"max_new_tokens":10}"""u8.ToArray(), "generation_config.json");
        string message = Assert.ThrowsExactly<CorruptFileException>(() => CheckpointGeneration.Read(read, out _)).Message;
        StringAssert.Contains(message, "MinNewTokens is 20; it must be at least 0 and at most MaxNewTokens, which is 10.");
    }
}
