using System.Text;

namespace MLNet.Gpt;

// Where tokenizers come from, and how they are kept.
public sealed partial class GptTokenizer
{
    /// <summary>
    /// Writes <c>tokenizer.json</c> (the format of Hugging Face's tokenizers), <c>vocab.json</c> and <c>merges.txt</c>. No file
    /// replaces an older one before all of them are complete.
    /// </summary>
    /// <param name="folder">The folder; it is created where it is missing.</param>
    /// <exception cref="FolderNotWritableException">The folder can't be created or written.</exception>
    /// <exception cref="DiskFullException">There is no room; an older tokenizer is untouched.</exception>
    /// <exception cref="ConcurrentWriteException">Another writer is writing a tokenizer to this folder.</exception>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        AtomicFile.WriteTogether(
            (Path.Combine(folder, VocabularyFiles.VocabularyName), stream => VocabularyFiles.WriteVocabulary(_definition, stream)),
            (Path.Combine(folder, VocabularyFiles.MergesName), stream => VocabularyFiles.WriteMerges(_definition, stream)),
            (Path.Combine(folder, TokenizerJson.FileName), stream => TokenizerJson.Write(_definition, stream)));
    }

    /// <summary>
    /// Reads a folder's <c>tokenizer.json</c>, or, where it has none, its <c>vocab.json</c> and <c>merges.txt</c> with the tokens that
    /// <c>added_tokens.json</c>, <c>special_tokens_map.json</c> and <c>tokenizer_config.json</c> add to them or call special.
    /// </summary>
    /// <param name="folder">A checkpoint folder, or any other with these files.</param>
    /// <exception cref="CheckpointNotFoundException">There is no such folder, or it has neither.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says.</exception>
    /// <exception cref="UnsupportedTokenizerException">The file describes another kind of tokenization.</exception>
    public static GptTokenizer Load(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        string json = Path.Combine(folder, TokenizerJson.FileName);
        if (File.Exists(json)) return new GptTokenizer(TokenizerJson.Read(json));

        string vocabulary = Path.Combine(folder, VocabularyFiles.VocabularyName);
        string merges = Path.Combine(folder, VocabularyFiles.MergesName);
        if (File.Exists(vocabulary) && File.Exists(merges)) return new GptTokenizer(TokenizerFolder.Read(folder));
        throw new CheckpointNotFoundException(folder,
            Directory.Exists(folder) ? $"it has no tokenizer: neither {TokenizerJson.FileName} nor both {VocabularyFiles.VocabularyName} and {VocabularyFiles.MergesName}." : "there is no such folder.",
            $"Name the folder with the tokenizer's files, copy them there, or write them with {nameof(GptTokenizer)}.{nameof(Save)}.");
    }

    /// <summary>Reads GPT-2's file pair: a vocabulary (<c>vocab.json</c>, also named <c>encoder.json</c>) and merges (<c>merges.txt</c>, <c>vocab.bpe</c>).</summary>
    /// <param name="vocabularyPath">A JSON object of tokens and ids.</param>
    /// <param name="mergesPath">A merge on each line, in order of priority.</param>
    /// <param name="specialTokens">
    /// The special tokens and their ids, which the vocabulary may hold too. Null (the default) means <see cref="EndOfText"/> alone,
    /// at its id in the vocabulary or, where that lacks it, at the lowest free id.
    /// </param>
    /// <exception cref="CheckpointNotFoundException">A file is missing.</exception>
    /// <exception cref="CorruptFileException">A file is not what its format says, or the files don't fit together.</exception>
    /// <exception cref="UnsupportedTokenizerException">The vocabulary lacks a byte or an id, or was made for words of another pattern.</exception>
    public static GptTokenizer FromVocabularyAndMerges(string vocabularyPath, string mergesPath, IReadOnlyDictionary<string, int>? specialTokens = null) =>
        new(VocabularyFiles.Read(vocabularyPath, mergesPath, specialTokens));

    /// <summary>Reads a rank file of tiktoken: a token in Base64 and its rank on each line. The merges follow from the ranks.</summary>
    /// <param name="path">A rank file of a byte-level vocabulary with GPT-2's pre-tokenization, such as <c>gpt2.tiktoken</c>.</param>
    /// <param name="specialTokens">
    /// The special tokens and their ids, which fill every gap that the ranks leave. Null (the default) means <see cref="EndOfText"/> alone,
    /// at the lowest free id: 50,256 for GPT-2 (r50k_base) and for p50k_base.
    /// </param>
    /// <exception cref="CheckpointNotFoundException">The file is missing.</exception>
    /// <exception cref="CorruptFileException">The file is not what its format says.</exception>
    /// <exception cref="UnsupportedTokenizerException">The vocabulary lacks a byte or an id, or was made for words of another pattern (cl100k_base, o200k_base).</exception>
    public static GptTokenizer FromTiktoken(string path, IReadOnlyDictionary<string, int>? specialTokens = null) =>
        new(TiktokenFile.Read(path, specialTokens));

    /// <summary>
    /// Trains a byte-level BPE vocabulary (Sennrich et al. 2016, section 3.2) on texts, cut into words with GPT-2's pattern. The
    /// result depends on the texts' words and their counts alone, and equals that of Hugging Face's BpeTrainer: of the most frequent pairs the one
    /// with the lowest ids is merged; special tokens get the first ids, then the bytes in the order of their characters, then the merges.
    /// </summary>
    /// <param name="texts">The texts, read once. Special tokens in them are text like any other.</param>
    /// <param name="options">The options; null means the defaults.</param>
    /// <param name="progress">Is told how far the training is, about once in 10,000 texts or 17 million characters and once in 100 tokens, and at the end.</param>
    /// <param name="cancellationToken">Ends the training with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="EmptyCorpusException">There is no text, or all texts are empty.</exception>
    /// <exception cref="ArgumentException">An option is outside its range, or a text is null.</exception>
    public static GptTokenizer TrainBytePairEncoding(
        IEnumerable<string> texts,
        BytePairTrainingOptions? options = null,
        IProgress<BytePairTrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        options = (options ?? new BytePairTrainingOptions()).Validate();
        return new GptTokenizer(new BytePairTrainer(options, progress, cancellationToken).Train(texts));
    }

    /// <summary>
    /// Makes a character-level tokenizer: one token for each Unicode code point that occurs in the texts, in the order of code
    /// points, then <see cref="EndOfText"/>.
    /// </summary>
    /// <param name="texts">The texts, read once.</param>
    /// <exception cref="EmptyCorpusException">There is no text, or all texts are empty.</exception>
    /// <exception cref="ArgumentException">A text is null.</exception>
    public static GptTokenizer FromCharacters(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        var characters = new SortedSet<Rune>();
        foreach (string text in texts)
        {
            if (text is null) throw new ArgumentException("A text is null; leave it out.", nameof(texts));
            foreach (Rune character in text.EnumerateRunes()) characters.Add(character);
        }

        if (characters.Count == 0) throw new EmptyCorpusException("There is no character to make a token of: no texts were given, or all are empty. Give at least one text.");
        KeyValuePair<string, long>[] vocabulary = [.. characters.Select(character => character.ToString()).Append(EndOfText).Select((token, id) => KeyValuePair.Create(token, (long)id))];
        return new GptTokenizer(TokenizerDefinition.Create(GptTokenizerKind.Character, vocabulary, [], [EndOfText], "a character vocabulary"));
    }
}
