using Microsoft.ML;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt;

/// <summary>Operations on data: <c>ml.Gpt().Data</c>.</summary>
/// <remarks>Immutable and as thread-safe as its context.</remarks>
public sealed class GptDataCatalog
{
    internal GptDataCatalog(GptCatalog catalog) => Catalog = catalog;

    /// <summary>The catalog that this one belongs to.</summary>
    public GptCatalog Catalog { get; }

    /// <summary>
    /// Prepares prompts that users wrote as InstructGPT's authors did (Ouyang et al. 2022, section 3.2): those that share a long prefix are kept once, each user's up to a limit; what looks like
    /// personal data is taken out; and they are divided by user, so that no user is on two sides.
    /// </summary>
    /// <param name="data">One prompt a row, in the order in which the first of several is kept. It is read once now, and again where a part is read.</param>
    /// <param name="userColumnName">The column of users: text, a key, Int32 or Int64.</param>
    /// <param name="promptColumnName">The text column of prompts.</param>
    /// <param name="options">The limits; null for InstructGPT's.</param>
    /// <param name="cancellationToken">Ends the call with an <see cref="OperationCanceledException"/>.</param>
    /// <returns>Three views of the data with all of its columns, and a report, which the context's log is told too.</returns>
    /// <exception cref="ColumnMismatchException">A column is missing, or of another type.</exception>
    /// <exception cref="PromptDataException">A row has no user.</exception>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public PreparedPrompts PreparePrompts(IDataView data, string userColumnName, string promptColumnName, PromptPreparationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentException.ThrowIfNullOrEmpty(userColumnName);
        ArgumentException.ThrowIfNullOrEmpty(promptColumnName);
        options ??= new();
        options.Validate();
        PromptPlan plan = PromptPlan.Of(data, userColumnName, promptColumnName, options, cancellationToken);
        using IChannel channel = ((IHostEnvironment)Catalog.Context).Register("Gpt").Start("PreparePrompts");
        channel.Info(MessageSensitivity.None, "{0}", plan.Report.ToString());
        return new(View(0), View(1), View(2), plan.Report);

        PreparedPromptsView View(int side) => new(data, promptColumnName, plan, side);
    }
}
