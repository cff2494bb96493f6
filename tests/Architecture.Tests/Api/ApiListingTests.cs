using System.ComponentModel;
using System.Diagnostics.CodeAnalysis;
using Mono.Cecil;

namespace MLNet.Gpt.Architecture.Tests.Api;

[TestClass]
public class ApiListingTests
{
    private const string SampleName = "MLNet.Gpt.Architecture.Tests.Api.ApiListingTests.Sample";

    [TestMethod]
    [DataRow("Sample", "= public abstract class : System.IDisposable")]
    [DataRow("Sample", ":: ctor protected (int size, string name = \"a\\\"b\")")]
    [DataRow("Sample", ":: field const double Half = 0.5d")]
    [DataRow("Sample", ":: field static readonly System.DayOfWeek[][,] Days")]
    [DataRow("Sample", ":: property virtual int? Size { get; protected set; }")]
    [DataRow("Sample", ":: property string Name { get; init; }")]
    [DataRow("Sample", ":: property ref readonly float this[int row, long column] { get; }")]
    [DataRow("Sample", ":: event System.Action<int> Changed")]
    [DataRow("Sample", ":: method abstract void Run(System.DayOfWeek day = System.DayOfWeek.Friday, System.ReadOnlySpan<nint> span = default)")]
    [DataRow("Sample", ":: method void Dispose()")]
    [DataRow("Sample", ":: method override string ToString()")]
    [DataRow("Sample", ":: method static bool TryGet<T, U>(in T input, out U output, ref char letter, params object[] rest) where T : unmanaged where U : class, System.Collections.Generic.IEnumerable<T>, new()")]
    [DataRow("Sample", ":: method static void Flags(System.ComponentModel.ListSortDirection? direction = null, System.AttributeTargets targets = System.AttributeTargets.Class | System.AttributeTargets.Struct)")]
    [DataRow("Sample", ":: method void Old() [Obsolete(\"use Run\", error)]")]
    [DataRow("Sample", ":: method void New() [Experimental(\"X1\")]")]
    [DataRow("Sample", ":: operator static " + SampleName + " Addition(" + SampleName + " left, decimal right)")]
    [DataRow("Sample.Pair<TKey, TValue>", "= public readonly ref struct where TKey : struct")]
    [DataRow("Sample.Pair<TKey, TValue>.Entry<TMore>", "= public sealed class : System.Collections.Generic.List<TValue>")]
    [DataRow("Sample.Maker<in T, out TResult>", "= public delegate TResult (T input) where T : class")]
    [DataRow("Sample.Level", "= public enum : byte [Flags]")]
    [DataRow("Sample.Level", ":: enumvalue High = 2")]
    [DataRow("Sample.MarkAttribute", "= public sealed class : System.Attribute [AttributeUsage(System.AttributeTargets.Method, AllowMultiple = true)]")]
    public void A_member_is_written_as_the_official_listings_write_it(string type, string rest)
    {
        List<string> lines = [.. Lines()];
        Assert.Contains($"{SampleName[..^"Sample".Length]}{type} {rest}", lines, string.Join('\n', lines));
    }

    [TestMethod]
    public void What_cannot_be_reached_from_outside_is_not_listed()
    {
        string text = string.Join('\n', Lines());
        Assert.DoesNotContain("Hidden", text);
        Assert.DoesNotContain("get_", text);
        Assert.DoesNotContain("value__", text);
    }

    private static IEnumerable<string> Lines()
    {
        using var assemblies = new InspectedAssemblies();
        AssemblyDefinition own = assemblies.Named(typeof(ApiListingTests).Assembly.GetName().Name!);
        return [.. ApiListing.Of(own).Select(member => member.Line).Where(line => line.StartsWith(SampleName, StringComparison.Ordinal))];
    }

    public abstract class Sample : IDisposable, Sample.IHidden
    {
        public const double Half = 0.5;
        public static readonly DayOfWeek[][,] Days = [];
        internal int HiddenField = 1;
        private float _cell;

        protected Sample(int size, string name = "a\"b")
        {
            Size = size;
            Name = name;
        }

        private protected Sample(bool hiddenToo) : this(hiddenToo ? 1 : 0)
        {
        }

        public event Action<int>? Changed;

        internal interface IHidden;

        public virtual int? Size { get; protected set; }

        public string Name { get; init; }

        public ref readonly float this[int row, long column] => ref _cell;

        public abstract void Run(DayOfWeek day = DayOfWeek.Friday, ReadOnlySpan<nint> span = default);

        public void Dispose()
        {
            Changed?.Invoke(HiddenField);
            _cell = 0;
            GC.SuppressFinalize(this);
        }

        public override string ToString() => Name;

        public static bool TryGet<T, U>(in T input, out U output, ref char letter, params object[] rest)
            where T : unmanaged
            where U : class, IEnumerable<T>, new()
        {
            output = new();
            return true;
        }

        public static void Flags(ListSortDirection? direction = null, AttributeTargets targets = AttributeTargets.Class | AttributeTargets.Struct)
        {
        }

        [Obsolete("use Run", true)]
        public void Old()
        {
        }

        [Experimental("X1")]
        public void New()
        {
        }

        public static Sample operator +(Sample left, decimal right) => left;

        public readonly ref struct Pair<TKey, TValue> where TKey : struct
        {
            public sealed class Entry<TMore> : List<TValue>;
        }

        public delegate TResult Maker<in T, out TResult>(T input) where T : class;

        [Flags]
        public enum Level : byte
        {
            Low = 1,
            High = 2,
        }

        [AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
        public sealed class MarkAttribute : Attribute;

        internal void HiddenMethod()
        {
        }

        private protected sealed class HiddenClass;
    }
}
