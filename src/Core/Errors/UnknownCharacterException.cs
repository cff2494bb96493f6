using System.Text;

namespace MLNet.Gpt;

/// <summary>A text holds a character that a character-level tokenizer has no token for.</summary>
public sealed class UnknownCharacterException : GptException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="character">The character.</param>
    /// <param name="position">Where it begins in the text, in UTF-16 units from 0.</param>
    /// <param name="characterCount">The number of characters that the tokenizer knows.</param>
    public UnknownCharacterException(Rune character, int position, int characterCount)
        : base($"Character U+{character.Value:X4}{Show(character)} at position {position} is none of the {characterCount} characters of this character-level tokenizer. "
            + "Remove it from the text, build the tokenizer from texts that contain it, or train a byte-level tokenizer, which encodes any text.")
    {
        Character = character;
        Position = position;
    }

    /// <summary>The character.</summary>
    public Rune Character { get; }

    /// <summary>Where the character begins in the text, in UTF-16 units from 0.</summary>
    public int Position { get; }

    private static string Show(Rune character) => Rune.IsControl(character) || Rune.IsWhiteSpace(character) ? "" : $" ('{character}')";
}
