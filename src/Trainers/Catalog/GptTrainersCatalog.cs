using Microsoft.ML;

namespace MLNet.Gpt;

/// <summary>The trainers of <c>ml.Gpt().Trainers</c>.</summary>
public sealed class GptTrainersCatalog
{
    private readonly MLContext _context;

    internal GptTrainersCatalog(MLContext context) => _context = context;

    /// <summary>Pretrains a GPT on a text column.</summary>
    /// <param name="inputColumnName">The column that holds one document a row.</param>
    /// <param name="model">The shape of the model; its vocabulary size is the size of the tokenizer to train. Null means <see cref="GptConfig.Gpt2Small"/>.</param>
    /// <param name="maxSteps">Updates of the run, 1 or more.</param>
    /// <param name="batchSize">Rows of T + 1 tokens in one update, 1 or more.</param>
    /// <param name="learningRate">The learning rate after the warm-up, above 0.</param>
    /// <param name="runFolder">Where metrics, the loss curve and checkpoints go; null writes none.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public LanguageModelTrainer LanguageModel(string inputColumnName, GptConfig? model = null, int maxSteps = 2_000, int batchSize = 8, double learningRate = 6e-4, string? runFolder = null) =>
        LanguageModel(inputColumnName, new LanguageModelOptions
        {
            Model = model ?? GptConfig.Gpt2Small,
            MaxSteps = maxSteps,
            BatchSize = batchSize,
            Optimizer = new() { LearningRate = learningRate },
            Run = new() { Folder = runFolder },
        });

    /// <summary>Pretrains a GPT on a text column.</summary>
    /// <param name="inputColumnName">The column that holds one document a row.</param>
    /// <param name="options">How.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public LanguageModelTrainer LanguageModel(string inputColumnName, LanguageModelOptions options) => new(_context, inputColumnName, options);

    /// <summary>Teaches a pretrained GPT to complete prompts, with the defaults of InstructGPT.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the completion that the model writes.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="completionColumnName">The text column of completions; needed in training only.</param>
    /// <param name="pretrained">The pretrained model, on TorchSharp; it stays as it is.</param>
    /// <param name="lora">Trains an adapter over the frozen model; null (the default) trains all weights.</param>
    /// <param name="epochs">Passes over the examples, 1 or more.</param>
    /// <param name="batchSize">Examples in one update, 1 or more.</param>
    /// <param name="learningRate">The learning rate at the beginning, above 0; null (the default) for the method's own, which is higher with an adapter.</param>
    /// <param name="runFolder">Where metrics, the loss curve and checkpoints go; null writes none.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public SupervisedFineTuningTrainer SupervisedFineTuning(
        string outputColumnName, string promptColumnName, string completionColumnName, GptModel pretrained, LoraOptions? lora = null, int epochs = 16, int batchSize = 32, double? learningRate = null, string? runFolder = null) =>
        SupervisedFineTuning(outputColumnName, promptColumnName, completionColumnName, new SupervisedFineTuningOptions
        {
            Pretrained = pretrained,
            Lora = lora,
            Epochs = epochs,
            BatchSize = batchSize,
            Optimizer = learningRate is { } rate ? AdamWOptions.FineTuning with { LearningRate = rate } : null,
            Run = new() { Folder = runFolder },
        });

    /// <summary>Teaches a pretrained GPT to complete prompts.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the completion that the model writes.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="completionColumnName">The text column of completions; needed in training only.</param>
    /// <param name="options">How, and which model.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedFineTuningTrainer SupervisedFineTuning(string outputColumnName, string promptColumnName, string completionColumnName, SupervisedFineTuningOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(completionColumnName);
        return new(_context, outputColumnName, promptColumnName, completionColumnName, options);
    }

    /// <summary>Teaches a pretrained GPT to answer in conversations.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the answer that the model writes to a conversation that ends with the user.</param>
    /// <param name="conversationColumnName">The text column of conversations as JSON, each with a turn of the assistant at least; see <see cref="ConversationJson"/>.</param>
    /// <param name="options">How, and which model.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedFineTuningTrainer SupervisedFineTuning(string outputColumnName, string conversationColumnName, SupervisedFineTuningOptions options) =>
        new(_context, outputColumnName, conversationColumnName, completionColumnName: null, options);

    /// <summary>Fine-tunes a GPT to classify texts (Radford et al. 2018, section 3.2).</summary>
    /// <param name="labelColumnName">The label: a key, as MapValueToKey makes it.</param>
    /// <param name="textColumnName">The text column.</param>
    /// <param name="pretrained">The pretrained model, on TorchSharp; it stays as it is.</param>
    /// <param name="lora">Trains an adapter and the head over the frozen model; null (the default) trains all weights.</param>
    /// <param name="epochs">Passes over the training set, 1 or more.</param>
    /// <param name="batchSize">Examples in one update, 1 or more.</param>
    /// <param name="learningRate">The learning rate after the warm-up, above 0.</param>
    /// <param name="auxiliaryLossWeight">λ, the weight of the auxiliary language-model loss; 0 switches it off.</param>
    /// <param name="runFolder">Where metrics, the loss curve and checkpoints go; null writes none.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public SupervisedTaskTrainer TextClassification(
        string labelColumnName, string textColumnName, GptModel pretrained, LoraOptions? lora = null, int epochs = 3, int batchSize = 32, double learningRate = 6.25e-5, double auxiliaryLossWeight = 0.5, string? runFolder = null) =>
        TextClassification(labelColumnName, textColumnName, new SupervisedTaskOptions
        {
            Pretrained = pretrained,
            Lora = lora,
            Epochs = epochs,
            BatchSize = batchSize,
            Optimizer = new() { LearningRate = learningRate },
            AuxiliaryLossWeight = auxiliaryLossWeight,
            Run = new() { Folder = runFolder },
        });

    /// <summary>Fine-tunes a GPT to classify texts (Radford et al. 2018, section 3.2).</summary>
    /// <param name="labelColumnName">The label: a key, as MapValueToKey makes it.</param>
    /// <param name="textColumnName">The text column.</param>
    /// <param name="options">How, and from which model.</param>
    /// <param name="scoreColumnName">The column to add for the classes' probabilities.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedTaskTrainer TextClassification(string labelColumnName, string textColumnName, SupervisedTaskOptions options, string scoreColumnName = "Score") =>
        new(_context, new(SupervisedTask.TextClassification, IsRegression: false, labelColumnName, [textColumnName], scoreColumnName), options);

    /// <summary>Fine-tunes a GPT to tell how a hypothesis stands to a premise (Radford et al. 2018, section 3.3).</summary>
    /// <param name="labelColumnName">The label: a key, as MapValueToKey makes it.</param>
    /// <param name="premiseColumnName">The text column of the premises.</param>
    /// <param name="hypothesisColumnName">The text column of the hypotheses.</param>
    /// <param name="options">How, and from which model.</param>
    /// <param name="scoreColumnName">The column to add for the classes' probabilities.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedTaskTrainer TextEntailment(string labelColumnName, string premiseColumnName, string hypothesisColumnName, SupervisedTaskOptions options, string scoreColumnName = "Score") =>
        new(_context, new(SupervisedTask.TextEntailment, IsRegression: false, labelColumnName, [premiseColumnName, hypothesisColumnName], scoreColumnName), options);

    /// <summary>Fine-tunes a GPT to compare two texts; their order makes no difference (Radford et al. 2018, section 3.3).</summary>
    /// <param name="labelColumnName">The label: a Single to be predicted as a number, or with <paramref name="classes"/> a key.</param>
    /// <param name="firstColumnName">The column of one text.</param>
    /// <param name="secondColumnName">The column of the other.</param>
    /// <param name="options">How, and from which model.</param>
    /// <param name="classes">False (the default): a number, such as a degree of likeness. True: classes, such as paraphrase or not.</param>
    /// <param name="scoreColumnName">The column to add for the number, or the classes' probabilities.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedTaskTrainer SentenceSimilarity(string labelColumnName, string firstColumnName, string secondColumnName, SupervisedTaskOptions options, bool classes = false, string scoreColumnName = "Score") =>
        new(_context, new(SupervisedTask.SentenceSimilarity, IsRegression: !classes, labelColumnName, [firstColumnName, secondColumnName], scoreColumnName), options);

    /// <summary>Fine-tunes a GPT to choose the right one of several answers (Radford et al. 2018, section 3.3).</summary>
    /// <param name="labelColumnName">The right answer: a key of as many values as there are answers.</param>
    /// <param name="contextColumnName">The text column of the contexts: a document and a question, say.</param>
    /// <param name="answerColumnNames">The text columns of the answers, two or more, in the order of the key.</param>
    /// <param name="options">How, and from which model.</param>
    /// <param name="scoreColumnName">The column to add for the answers' probabilities.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public SupervisedTaskTrainer MultipleChoice(string labelColumnName, string contextColumnName, IReadOnlyList<string> answerColumnNames, SupervisedTaskOptions options, string scoreColumnName = "Score")
    {
        ArgumentNullException.ThrowIfNull(answerColumnNames);
        return new(_context, new(SupervisedTask.MultipleChoice, IsRegression: false, labelColumnName, [contextColumnName, .. answerColumnNames], scoreColumnName), options);
    }

    /// <summary>Trains a reward model from graded responses, with the defaults of InstructGPT (Ouyang et al. 2022, section 3.5).</summary>
    /// <param name="labelColumnName">The grades, the higher the better: a Single, Double, Int32 or key.</param>
    /// <param name="groupColumnName">What the responses to one prompt have in common: a key, text, Int32 or Int64.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="responseColumnName">The text column of responses.</param>
    /// <param name="pretrained">The model to begin with, on TorchSharp, best a supervised fine-tuned one; it stays as it is.</param>
    /// <param name="lora">Trains an adapter and the head over the frozen model; null (the default) trains all weights.</param>
    /// <param name="epochs">Passes over the prompts, 1 or more.</param>
    /// <param name="batchSize">Prompts in one update, 1 or more.</param>
    /// <param name="learningRate">The learning rate at the beginning, above 0; null (the default) for the method's own, which is higher with an adapter.</param>
    /// <param name="runFolder">Where metrics, the loss curve, the calibration and checkpoints go; null writes none.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public RewardModelTrainer RewardModel(
        string labelColumnName, string groupColumnName, string promptColumnName, string responseColumnName, GptModel pretrained, LoraOptions? lora = null, int epochs = 1, int batchSize = 64, double? learningRate = null, string? runFolder = null) =>
        RewardModel(labelColumnName, groupColumnName, promptColumnName, responseColumnName, new RewardModelOptions
        {
            Pretrained = pretrained,
            Lora = lora,
            Epochs = epochs,
            BatchSize = batchSize,
            Optimizer = learningRate is { } rate ? AdamWOptions.FineTuning with { LearningRate = rate } : null,
            Run = new() { Folder = runFolder },
        });

    /// <summary>Trains a reward model from graded responses (Ouyang et al. 2022, section 3.5).</summary>
    /// <param name="labelColumnName">The grades: a Single, Double, Int32 or key; <see cref="RewardModelOptions.GradeOrder"/> says which is better.</param>
    /// <param name="groupColumnName">What the responses to one prompt have in common: a key, text, Int32 or Int64.</param>
    /// <param name="promptColumnName">The text column of prompts, or of conversations that end with the user (<see cref="RewardHead.Conversations"/>).</param>
    /// <param name="responseColumnName">The text column of responses.</param>
    /// <param name="options">How, and from which model.</param>
    /// <param name="scoreColumnName">The Single column that the fitted transformer adds.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public RewardModelTrainer RewardModel(
        string labelColumnName, string groupColumnName, string promptColumnName, string responseColumnName, RewardModelOptions options, string scoreColumnName = "Score") =>
        new(_context, new(promptColumnName, responseColumnName, Rejected: null, labelColumnName, groupColumnName), scoreColumnName, options);

    /// <summary>Trains a reward model from pairs of a chosen and a rejected response.</summary>
    /// <param name="promptColumnName">The text column of prompts, or of conversations that end with the user (<see cref="RewardHead.Conversations"/>).</param>
    /// <param name="chosenColumnName">The text column of the better responses, which the fitted transformer scores.</param>
    /// <param name="rejectedColumnName">The text column of the other responses; needed in training only.</param>
    /// <param name="options">How, and from which model.</param>
    /// <param name="scoreColumnName">The Single column that the fitted transformer adds.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public RewardModelTrainer RewardModelFromPairs(string promptColumnName, string chosenColumnName, string rejectedColumnName, RewardModelOptions options, string scoreColumnName = "Score")
    {
        ArgumentException.ThrowIfNullOrEmpty(rejectedColumnName);
        return new(_context, new(promptColumnName, chosenColumnName, rejectedColumnName, Label: null, Group: null), scoreColumnName, options);
    }

    /// <summary>Teaches a policy from pairs of a chosen and a rejected response, with the defaults of Rafailov et al. 2023.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the response that the policy writes.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="chosenColumnName">The text column of the better responses; needed in training only.</param>
    /// <param name="rejectedColumnName">The text column of the other responses; needed in training only.</param>
    /// <param name="pretrained">The policy to begin with, on TorchSharp, best a supervised fine-tuned one; it stays as it is.</param>
    /// <param name="lora">Trains an adapter over the frozen policy; null (the default) trains all weights.</param>
    /// <param name="beta">β, above 0: how much the policy as it was holds the new one.</param>
    /// <param name="epochs">Passes over the pairs, 1 or more.</param>
    /// <param name="batchSize">Pairs in one update, 1 or more.</param>
    /// <param name="learningRate">The learning rate at the beginning, above 0; null (the default) for the method's own, which is higher with an adapter.</param>
    /// <param name="runFolder">Where metrics, the loss curve and checkpoints go; null writes none.</param>
    /// <exception cref="ArgumentException">A value is outside its range.</exception>
    public DirectPreferenceTrainer DirectPreference(
        string outputColumnName, string promptColumnName, string chosenColumnName, string rejectedColumnName, GptModel pretrained, LoraOptions? lora = null, double beta = 0.1, int epochs = 1, int batchSize = 64, double? learningRate = null, string? runFolder = null) =>
        DirectPreference(outputColumnName, promptColumnName, chosenColumnName, rejectedColumnName, new DirectPreferenceOptions
        {
            Pretrained = pretrained,
            Lora = lora,
            Beta = beta,
            Epochs = epochs,
            BatchSize = batchSize,
            Optimizer = learningRate is { } rate ? AdamWOptions.FineTuning with { LearningRate = rate } : null,
            Run = new() { Folder = runFolder },
        });

    /// <summary>Teaches a policy from pairs of a chosen and a rejected response.</summary>
    /// <param name="outputColumnName">The text column that the fitted transformer adds: the response that the policy writes.</param>
    /// <param name="promptColumnName">The text column of prompts, or of conversations that end with the user (<see cref="DirectPreferenceOptions.Generation"/>).</param>
    /// <param name="chosenColumnName">The text column of the better responses; needed in training only.</param>
    /// <param name="rejectedColumnName">The text column of the other responses; needed in training only.</param>
    /// <param name="options">How, and which policy.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public DirectPreferenceTrainer DirectPreference(string outputColumnName, string promptColumnName, string chosenColumnName, string rejectedColumnName, DirectPreferenceOptions options)
    {
        ArgumentException.ThrowIfNullOrEmpty(rejectedColumnName);
        return new(_context, outputColumnName, new(promptColumnName, chosenColumnName, rejectedColumnName, Label: null, Group: null), options);
    }

    /// <summary>Optimises a policy towards a reward: PPO with a pretraining mix (Ouyang et al. 2022, section 3.5), GRPO or RLOO.</summary>
    /// <param name="promptColumnName">The text column of prompts, or of conversations that end with the user (<see cref="GenerateTextOptions.PromptForm"/>).</param>
    /// <param name="options">How, from which policy, and towards which reward.</param>
    /// <param name="responseColumnName">The text column that the fitted transformer adds: the policy's response.</param>
    /// <exception cref="ArgumentException">An option is outside its range, or two do not fit together.</exception>
    public PolicyOptimizationTrainer PolicyOptimization(string promptColumnName, PolicyOptimizationOptions options, string responseColumnName = "Response") =>
        new(_context, promptColumnName, responseColumnName, options);
}
