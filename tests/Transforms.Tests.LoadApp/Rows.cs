namespace LoadApp;

/// <summary>A row that goes in.</summary>
public sealed class Question
{
    public string Text { get; set; } = "";
}

/// <summary>A row that comes out.</summary>
public sealed class Answer
{
    public string Text { get; set; } = "";

    public string Reply { get; set; } = "";

    public int[] Tokens { get; set; } = [];

    public float LogLikelihood { get; set; }

    public float Perplexity { get; set; }
}

/// <summary>A row that comes out of a classifier.</summary>
public sealed class Classified
{
    public float[] Score { get; set; } = [];
}

/// <summary>A row with a text's vector.</summary>
public sealed class Embedded
{
    public float[] Vector { get; set; } = [];
}

/// <summary>A row that comes out of a reward model.</summary>
public sealed class Scored
{
    public float Score { get; set; }
}
