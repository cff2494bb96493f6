namespace MLNet.Gpt;

/// <summary>Which examples a few-shot prompt shows.</summary>
public enum ExampleSelection
{
    /// <summary>The first ones, in their order, for every row.</summary>
    First,

    /// <summary>Ones drawn at random, without repetition and the same for every row.</summary>
    Random,

    /// <summary>Ones drawn at random for each row (Brown et al. 2020, section 2.4). The draw depends on the seed and the row's own text.</summary>
    RandomPerRow,
}
