using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MLNet.Gpt;

/// <summary>Which rows go to which side, and which prompts are written anew.</summary>
/// <param name="Sides">The rows that are kept, by their ids: 0 to train on, 1 to validate on, 2 to test on.</param>
/// <param name="Masked">The prompts that are written anew.</param>
/// <param name="Report">What became of them.</param>
internal sealed record PromptPlan(IReadOnlyDictionary<DataViewRowId, int> Sides, IReadOnlyDictionary<DataViewRowId, string> Masked, PromptPreparationReport Report)
{
    private const int SideCount = 3;

    /// <summary>Goes through all rows once, in their order (Ouyang et al. 2022, section 3.2).</summary>
    /// <exception cref="ColumnMismatchException">A column is missing, or of another type.</exception>
    /// <exception cref="PromptDataException">A row has no user.</exception>
    public static PromptPlan Of(IDataView data, string userColumnName, string promptColumnName, PromptPreparationOptions options, CancellationToken cancellation)
    {
        DataViewSchema.Column user = IdentityColumn.Find(userColumnName, data.Schema), prompt = TextColumnMapper.FindText(promptColumnName, data.Schema);
        var sides = new Dictionary<DataViewRowId, int>();
        var masked = new Dictionary<DataViewRowId, string>();
        var prefixes = new HashSet<string>(StringComparer.Ordinal);
        var users = new Dictionary<string, (int Side, int Prompts)>(StringComparer.Ordinal);
        var kept = new HashSet<string>(StringComparer.Ordinal); // the users of what is kept
        var kinds = Enum.GetValues<PersonalDataKind>().ToDictionary(static kind => kind, static _ => 0L);
        long rows = 0, empty = 0, shared = 0, overLimit = 0, withData = 0, leftOut = 0;
        using DataViewRowCursor cursor = data.GetRowCursor([user, prompt]);
        Func<string> getUser = IdentityColumn.Getter(cursor, user);
        ValueGetter<ReadOnlyMemory<char>> getPrompt = cursor.GetGetter<ReadOnlyMemory<char>>(prompt);
        ValueGetter<DataViewRowId> getId = cursor.GetIdGetter();
        ReadOnlyMemory<char> memory = default;
        DataViewRowId id = default;
        for (; cursor.MoveNext(); rows++)
        {
            cancellation.ThrowIfCancellationRequested();
            string name = getUser();
            if (name.Length == 0) throw new PromptDataException(rows, userColumnName, "the user is missing.", "Give each prompt its user, one of their own where nobody is known, or remove such rows.");
            (int side, int prompts) = users.TryGetValue(name, out (int, int) known) ? known : (SideOf(name, options), 0);
            users[name] = (side, prompts);
            getPrompt(ref memory);
            string text = memory.ToString();

            // 1. Empty prompts, and those that begin as one before them, whoever wrote it.
            string normal = Normalized(text);
            if (normal.Length == 0)
            {
                empty++;
                continue;
            }

            if (options.SharedPrefixLength > 0 && !prefixes.Add(normal.Length > options.SharedPrefixLength ? normal[..options.SharedPrefixLength] : normal))
            {
                shared++;
                continue;
            }

            // 2. A user's limit.
            users[name] = (side, prompts + 1);
            if (options.MaxPromptsPerUser > 0 && prompts >= options.MaxPromptsPerUser)
            {
                overLimit++;
                continue;
            }

            // 3. Personal data.
            IReadOnlyList<PersonalDataMatch> matches = PersonalData.Find(text);
            foreach (PersonalDataMatch match in matches) kinds[match.Kind]++;
            getId(ref id);
            if (matches.Count > 0)
            {
                withData++;
                if (options.PersonalData == PersonalDataHandling.LeaveOut)
                {
                    leftOut++;
                    continue;
                }

                if (options.PersonalData == PersonalDataHandling.Mask) masked.Add(id, PersonalData.Mask(text, matches));
            }

            // 4. The user's side.
            sides.Add(id, side);
            kept.Add(name);
        }

        int limit = options.MaxPromptsPerUser > 0 ? options.MaxPromptsPerUser : int.MaxValue;
        PromptSide[] parts = [.. Enumerable.Range(0, SideCount).Select(side => new PromptSide(sides.Values.LongCount(one => one == side), kept.Count(one => users[one].Side == side)))];
        return new(sides, masked, new(rows, users.Count, empty, shared, overLimit, users.Values.Count(one => one.Prompts > limit), withData, kinds, leftOut, parts[0], parts[1], parts[2]));
    }

    /// <summary>A user's side: a number in [0, 1) that is made of their id and the seed, against the shares.</summary>
    private static int SideOf(string user, PromptPreparationOptions options)
    {
        byte[] hash = SHA256.HashData([.. BitConverter.GetBytes(options.Seed), .. Encoding.UTF8.GetBytes(user)]);
        double place = (BinaryPrimitives.ReadUInt64LittleEndian(hash) >> 11) * (1.0 / (1UL << 53));
        return place < options.TestFraction ? 2 : place < options.TestFraction + options.ValidationFraction ? 1 : 0;
    }

    /// <summary>Lower case, and one space for each run of white space between words.</summary>
    private static string Normalized(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToLowerInvariant();
}
