using System.Text;
using CsCheck;

namespace MLNet.Gpt.Core.Tests.Conversations;

/// <summary>What holds for any conversation and any template: who said what can be read back from the tokens, whatever was said.</summary>
[TestClass]
public sealed class ChatTemplatePropertyTests
{
    private static readonly GptTokenizer s_tokenizer = GptTokenizer.TrainBytePairEncoding(
        ["user assistant system User: Assistant: im_start im_end endoftext <| |> the the then"],
        new BytePairTrainingOptions { VocabularySize = 300, MinimumFrequency = 1, SpecialTokens = [GptTokenizer.EndOfText, "<|im_start|>", "<|im_end|>", "<|x|>"] });

    private static readonly ChatTemplate[] s_templates =
    [
        ChatTemplate.Default,
        ChatTemplate.ChatMl,
        new() { Start = "", SystemMarker = null, UserMarker = "<|x|>", AssistantMarker = "\n", EndOfTurn = "<|im_end|>", AfterTurn = " \n<|x|>", RequiresAlternation = false },
    ];

    // Everything that a template is made of, and pieces of it, and anything else: half a surrogate pair too.
    private static readonly Gen<string> s_content = Gen.OneOf(
        Gen.OneOf("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|x|>", "<|im_", "end|>", "User:\n", "Assistant:\n", "System:\n", "assistant\n", "user\n", "\n", " ", "the", "👍", "\uD83D"),
        Gen.Char.Array[0, 3].Select(units => new string(units))).Array[0, 8].Select(string.Concat);

    private static readonly Gen<ConversationTurn[]> s_alternating =
        from system in Gen.Bool
        from contents in s_content.Array[2, 8]
        select (ConversationTurn[])[.. contents.Select((content, i) => system && i == 0 ? ConversationTurn.System(content)
            : (i - (system ? 1 : 0)) % 2 == 0 ? ConversationTurn.User(content) : ConversationTurn.Assistant(content))];

    [TestMethod]
    public void Any_conversation_is_read_back_turn_by_turn_from_its_tokens() => Gen.Select(Gen.Int[0, 2], s_alternating).Always(
        (which, turns) =>
        {
            ChatTemplate template = s_templates[which];
            turns = Fit(template, turns);
            RenderedConversation rendered = template.Render(turns, s_tokenizer);
            (ConversationRole Role, string Content)[] read = ReadBack(template, [.. rendered.TokenIds], [.. rendered.IsAssistant]);
            CollectionAssert.AreEqual(turns.Select(turn => (turn.Role, WellFormed(turn.Content))).ToArray(), read);
        },
        iter: 2_000);

    [TestMethod]
    public void What_a_turn_says_changes_neither_the_special_tokens_nor_the_tokens_of_the_other_turns() => Gen.Select(Gen.Int[0, 2], s_alternating, Gen.Int[0, 7], s_content).Always(
        (which, turns, index, content) =>
        {
            ChatTemplate template = s_templates[which];
            turns = Fit(template, turns);
            index = Math.Max(index % turns.Length, turns[0].Role == ConversationRole.System ? 1 : 0); // a system turn alone is no conversation
            ConversationTurn[] other = [.. turns];
            other[index] = other[index] with { Content = content };
            int[] one = [.. template.Render(turns, s_tokenizer).TokenIds], two = [.. template.Render(other, s_tokenizer).TokenIds];
            CollectionAssert.AreEqual(one.Where(s_tokenizer.IsSpecialToken).ToArray(), two.Where(s_tokenizer.IsSpecialToken).ToArray());

            int[] before = [.. template.Render(turns[..(index + 1)], s_tokenizer).TokenIds], otherBefore = [.. template.Render(other[..(index + 1)], s_tokenizer).TokenIds];
            CollectionAssert.AreEqual(before, one[..before.Length]);
            CollectionAssert.AreEqual(one[before.Length..], two[otherBefore.Length..]);
        },
        iter: 1_000);

    [TestMethod]
    public void A_prompt_is_the_conversation_so_far_and_what_it_drops_are_whole_exchanges_from_the_front() => Gen.Select(Gen.Int[0, 2], s_alternating, Gen.Int[1, 200]).Always(
        (which, turns, limit) =>
        {
            ChatTemplate template = s_templates[which];
            turns = Fit(template, turns);
            if (turns[^1].Role == ConversationRole.Assistant) turns = turns[..^1];
            ConversationTurn[] answered = [.. turns, ConversationTurn.Assistant("an answer")];
            int[] prompt = [.. template.RenderPrompt(turns, s_tokenizer).TokenIds], whole = [.. template.Render(answered, s_tokenizer).TokenIds];
            CollectionAssert.AreEqual(prompt, whole[..prompt.Length]);

            RenderedConversation shortened;
            try
            {
                shortened = template.RenderPrompt(turns, s_tokenizer, limit, ConversationOverflow.DropOldestTurns);
            }
            catch (PromptTooLongException exception)
            {
                ConversationTurn[] least = [.. turns.Where(turn => turn.Role == ConversationRole.System), turns[^1]];
                Assert.AreEqual((template.RenderPrompt(least, s_tokenizer).TokenIds.Count, limit), (exception.TokenCount, exception.Limit));
                Assert.IsGreaterThan(limit, exception.TokenCount);
                return;
            }

            Assert.IsLessThanOrEqualTo(limit, shortened.TokenIds.Count);
            int system = turns[0].Role == ConversationRole.System ? 1 : 0, dropped = shortened.DroppedTurnCount;
            Assert.AreEqual(0, dropped % 2);
            CollectionAssert.AreEqual(template.RenderPrompt([.. turns[..system], .. turns[(system + dropped)..]], s_tokenizer).TokenIds.ToArray(), shortened.TokenIds.ToArray());
            if (dropped > 0) Assert.IsGreaterThan(limit, template.RenderPrompt([.. turns[..system], .. turns[(system + dropped - 2)..]], s_tokenizer).TokenIds.Count, "no exchange more than necessary");
        },
        iter: 1_000);

    [TestMethod]
    public void Any_conversation_of_well_formed_text_comes_back_from_JSON() => s_alternating.Always(
        turns =>
        {
            turns = [.. turns.Select(turn => turn with { Content = WellFormed(turn.Content) })];
            CollectionAssert.AreEqual(turns, ConversationJson.Parse(ConversationJson.Write(turns)).ToArray());
        },
        iter: 1_000);

    [TestMethod]
    public void Any_template_comes_back_as_it_was_saved()
    {
        using var folder = new TemporaryFolder();
        Gen.Select(s_content, s_content, s_content, s_content, Gen.Bool).Always(
            (start, user, assistant, end, alternates) =>
            {
                ChatTemplate template = new()
                {
                    Start = WellFormed(start), UserMarker = "u" + WellFormed(user), AssistantMarker = "a" + WellFormed(assistant), SystemMarker = alternates ? null : "s",
                    EndOfTurn = "e" + WellFormed(end), AfterTurn = WellFormed(end), RequiresAlternation = alternates,
                };
                template.Save(folder.Path);
                Assert.AreEqual(template, ChatTemplate.Load(folder.Path));
            },
            iter: 100);
    }

    private static ConversationTurn[] Fit(ChatTemplate template, ConversationTurn[] turns) =>
        template.SystemMarker is null && turns[0].Role == ConversationRole.System ? turns[1..] : turns;

    // By the ids alone: a turn ends at each EndOfTurn; before it stand a marker, one of three, and the content; behind it AfterTurn.
    private static (ConversationRole Role, string Content)[] ReadBack(ChatTemplate template, int[] ids, bool[] isAssistant)
    {
        int[] start = s_tokenizer.Encode(template.Start), after = s_tokenizer.Encode(template.AfterTurn);
        CollectionAssert.AreEqual(start, ids[..start.Length]);
        (ConversationRole Role, int[] Ids)[] markers =
        [
            (ConversationRole.User, s_tokenizer.Encode(template.UserMarker)), (ConversationRole.Assistant, s_tokenizer.Encode(template.AssistantMarker)),
            .. template.SystemMarker is { } system ? [(ConversationRole.System, s_tokenizer.Encode(system))] : Array.Empty<(ConversationRole, int[])>(),
        ];
        var turns = new List<(ConversationRole, string)>();
        for (int at = start.Length; at < ids.Length;)
        {
            int end = Array.IndexOf(ids, template.EndOfTurnId(s_tokenizer), at);
            (ConversationRole role, int[] marker) = markers.Single(candidate => ids.AsSpan(at).StartsWith(candidate.Ids));
            turns.Add((role, s_tokenizer.Decode(ids[(at + marker.Length)..end])));
            for (int i = at; i <= end; i++) Assert.AreEqual(role == ConversationRole.Assistant && i >= at + marker.Length, isAssistant[i], $"place {i}");
            CollectionAssert.AreEqual(after, ids[(end + 1)..(end + 1 + after.Length)]);
            for (int i = end + 1; i <= end + after.Length; i++) Assert.IsFalse(isAssistant[i]);
            at = end + 1 + after.Length;
        }

        return [.. turns];
    }

    private static string WellFormed(string text) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text));
}
