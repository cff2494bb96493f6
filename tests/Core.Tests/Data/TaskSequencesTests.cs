namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class TaskSequencesTests
{
    // V = 100: Start 100, Delimiter 101, Extract 102. Eight positions.
    private static readonly GptConfig Config = new() { VocabularySize = 100, ContextLength = 8, EmbeddingSize = 8, LayerCount = 1, HeadCount = 1 };
    private static readonly int[] Six = [1, 2, 3, 4, 5, 6], Ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], Two = [21, 22], Four = [21, 22, 23, 24];

    [TestMethod]
    public void Each_task_lays_out_its_texts_as_figure_1_does()
    {
        Equal([[100, 1, 2, 3, 4, 5, 6, 102]], 0, SupervisedTask.TextClassification, [Six]);
        Equal([[100, 102]], 0, SupervisedTask.TextClassification, [[]]);
        Equal([[100, 21, 22, 101, 31, 102]], 0, SupervisedTask.TextEntailment, [Two, [31]]);
        Equal([[100, 21, 22, 101, 31, 102], [100, 31, 101, 21, 22, 102]], 0, SupervisedTask.SentenceSimilarity, [Two, [31]]);
        Equal([[100, 21, 22, 101, 31, 102], [100, 21, 22, 101, 32, 33, 102], [100, 21, 22, 101, 102]], 0, SupervisedTask.MultipleChoice, [Two, [31], [32, 33], []]);
    }

    [TestMethod]
    public void A_text_past_the_context_is_cut_by_the_rule()
    {
        // Room for six of ten.
        Equal([[100, 1, 2, 3, 4, 5, 6, 102]], 4, SupervisedTask.TextClassification, [Ten]);
        Equal([[100, 5, 6, 7, 8, 9, 10, 102]], 4, SupervisedTask.TextClassification, [Ten], TextTruncation.Tail);
        Equal([[100, 1, 2, 3, 8, 9, 10, 102]], 4, SupervisedTask.TextClassification, [Ten], TextTruncation.HeadAndTail);
    }

    [TestMethod]
    public void Of_two_texts_the_longer_gives_way_first()
    {
        // Room for five: the two stay, three of ten are left; of four and ten, three (the odd one for the first) and two.
        Equal([[100, 1, 2, 3, 101, 21, 22, 102]], 7, SupervisedTask.TextEntailment, [Ten, Two]);
        Equal([[100, 21, 22, 101, 1, 2, 3, 102]], 7, SupervisedTask.TextEntailment, [Two, Ten]);
        Equal([[100, 21, 22, 23, 101, 1, 2, 102]], 9, SupervisedTask.TextEntailment, [Four, Ten]);
        Equal([[100, 21, 22, 24, 101, 1, 10, 102]], 9, SupervisedTask.TextEntailment, [Four, Ten], TextTruncation.HeadAndTail);
    }

    [TestMethod]
    public void A_context_without_room_and_a_wrong_number_of_texts_are_refused()
    {
        var head = new ClassifierHead { Task = SupervisedTask.TextEntailment, Labels = ["a", "b"] };
        var error = Assert.ThrowsExactly<ContextTooShortException>(() => TaskSequences.Build(head, Config with { ContextLength = 4 }, [Two, Two], out _));
        Assert.AreEqual((4, 5), (error.ContextLength, error.Needed));
        Assert.ThrowsExactly<ContextTooShortException>(() => TaskSequences.RequireRoom(SupervisedTask.TextClassification, Config with { ContextLength = 2 }));
        var wrong = Assert.ThrowsExactly<ArgumentException>(() => TaskSequences.Build(head, Config, [Two], out _));
        Assert.AreEqual("texts", wrong.ParamName);
        StringAssert.StartsWith(wrong.Message, "TextEntailment takes 2 texts, but 1 are given.");
        Assert.AreEqual("head", Assert.ThrowsExactly<ArgumentNullException>(() => TaskSequences.Build(null!, Config, [Two], out _)).ParamName);
        Assert.AreEqual("config", Assert.ThrowsExactly<ArgumentNullException>(() => TaskSequences.Build(head, null!, [Two, Two], out _)).ParamName);
        Assert.AreEqual("texts", Assert.ThrowsExactly<ArgumentNullException>(() => TaskSequences.Build(head, Config, null!, out _)).ParamName);

        // Just enough.
        TaskSequences.RequireRoom(SupervisedTask.TextClassification, Config with { ContextLength = 3 });
        TaskSequences.RequireRoom(SupervisedTask.TextEntailment, Config with { ContextLength = 5 });
        Assert.ThrowsExactly<ArgumentException>(() => TaskSequences.Build(head with { Task = SupervisedTask.MultipleChoice, Labels = [] }, Config, [Two, Two], out _));
    }

    private static void Equal(int[][] expected, int dropped, SupervisedTask task, int[][] texts, TextTruncation truncation = TextTruncation.Head)
    {
        var head = new ClassifierHead { Task = task, Truncation = truncation };
        int[][] found = TaskSequences.Build(head, Config, texts, out int count);
        Assert.AreEqual(Text(expected), Text(found));
        Assert.AreEqual(dropped, count);

        static string Text(int[][] rows) => string.Join(" | ", rows.Select(static row => string.Join(' ', row)));
    }
}
