namespace MLNet.Gpt;

/// <summary>The supervised tasks of GPT-1 and how each lays out its texts as token sequences (Radford et al. 2018, section 3.3 and figure 1).</summary>
public enum SupervisedTask
{
    /// <summary>One text: Start, text, Extract.</summary>
    TextClassification,

    /// <summary>A premise and a hypothesis: Start, premise, Delimiter, hypothesis, Extract.</summary>
    TextEntailment,

    /// <summary>Two texts without an order: one sequence for each order, whose last hidden states are added before the linear head.</summary>
    SentenceSimilarity,

    /// <summary>A context and some answers: Start, context, Delimiter, answer, Extract for each; a softmax across the answers.</summary>
    MultipleChoice,
}
