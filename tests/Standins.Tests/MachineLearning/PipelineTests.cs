using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;

namespace MLNet.Gpt.Standins.Tests.MachineLearning;

[TestClass]
public sealed class PipelineTests
{
    private readonly MLContext _ml = new(seed: 1);

    private sealed class Copied
    {
        public string Text { get; set; } = "";
        public string Copy { get; set; } = "";
    }

    /// <summary>An estimator as a third party writes one: it counts its fits and gives back a transformer that can be disposed.</summary>
    private sealed class Counting : IEstimator<Counting>, ITransformer, IDisposable
    {
        private sealed record Same(DataViewSchema InputSchema) : IRowToRowMapper
        {
            public DataViewSchema OutputSchema => InputSchema;

            public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns) => dependingColumns;

            public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) => input;
        }

        public int Fits { get; private set; }

        public int RowsSeen { get; private set; }

        public int Disposals { get; private set; }

        public bool IsRowToRowMapper => true;

        public Counting Fit(IDataView input)
        {
            Fits++;
            RowsSeen += input.GetColumn<string>("Text").Count() + input.GetColumn<string>("Text").Count();
            return this;
        }

        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => inputSchema;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inputSchema;

        public IDataView Transform(IDataView input) => input;

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => new Same(inputSchema);

        public Action? Saving { get; init; }

        public void Save(ModelSaveContext ctx)
        {
            Saving?.Invoke();
            throw new NotSupportedException();
        }

        public void Dispose() => Disposals++;
    }

    private IDataView Texts(params string[] texts) => _ml.Data.LoadFromEnumerable(texts.Select(text => new TextRow { Text = text }));

    [TestMethod]
    public void A_chain_fits_each_step_on_what_the_ones_before_made()
    {
        var counting = new Counting();
        EstimatorChain<Counting> chain = _ml.Transforms.CopyColumns("Copy", "Text").Append(counting);
        TransformerChain<Counting> model = chain.Fit(Texts("a", "b"));
        Assert.AreSame(counting, model.LastTransformer);
        Assert.AreEqual(4, counting.RowsSeen);
        CollectionAssert.AreEqual(new[] { "c" }, model.Transform(Texts("c")).GetColumn<string>("Copy").ToArray());
        model.Dispose();
        Assert.AreEqual(1, counting.Disposals);
    }

    [TestMethod]
    public void A_column_that_a_later_step_lacks_is_an_error_before_the_first_step_fits()
    {
        var counting = new Counting();
        var chain = counting.Append(_ml.Transforms.CopyColumns("Copy", "Absent"));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => chain.Fit(Texts("a")));
        Assert.AreEqual(0, counting.Fits);
    }

    [TestMethod]
    public void A_cache_checkpoint_reads_the_source_once()
    {
        int read = 0;
        var data = _ml.Data.LoadFromEnumerable(new[] { "a", "b", "c" }.Select(text =>
        {
            read++;
            return new TextRow { Text = text };
        }));
        var counting = new Counting();
        _ml.Transforms.CopyColumns("Copy", "Text").AppendCacheCheckpoint(_ml).Append(counting).Fit(data);
        Assert.AreEqual(6, counting.RowsSeen);
        Assert.AreEqual(3, read);
    }

    [TestMethod]
    public void A_copied_column_keeps_its_annotations_and_hides_an_older_one_of_its_name()
    {
        var data = _ml.Transforms.CopyColumns("Text", "Text").Fit(Texts("a")).Transform(Texts("a"));
        Assert.AreEqual(2, data.Schema.Count);
        Assert.IsTrue(data.Schema[0].IsHidden);
        Assert.AreEqual("a", data.GetColumn<string>("Text").Single());
        using var cursor = data.GetRowCursor([data.Schema[0]]);
        Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<ReadOnlyMemory<char>>(data.Schema[1]));
    }

    [TestMethod]
    public void Selected_columns_come_in_the_order_of_their_names_and_dropped_ones_go()
    {
        var data = _ml.Data.LoadFromEnumerable([EveryKind.Example(1)]);
        var selected = _ml.Transforms.SelectColumns("Text", "Double").Fit(data).Transform(data);
        CollectionAssert.AreEqual(new[] { "Text", "Double" }, selected.Schema.Select(column => column.Name).ToArray());
        Assert.AreEqual(-1.25, selected.GetColumn<double>("Double").Single());
        using var cursor = selected.GetRowCursor([selected.Schema["Text"]]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => cursor.GetGetter<double>(selected.Schema["Double"]));

        var dropped = _ml.Transforms.DropColumns("Text").Fit(data).Transform(data);
        Assert.AreEqual(data.Schema.Count - 1, dropped.Schema.Count);
        Assert.IsNull(dropped.Schema.GetColumnOrNull("Text"));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => _ml.Transforms.DropColumns("Absent").Fit(data));
    }

    [TestMethod]
    public void A_chain_and_its_schema_survive_saving_and_loading()
    {
        var pipeline = _ml.Transforms.CopyColumns("Copy", "Text").Append(_ml.Transforms.SelectColumns("Copy", "Text"));
        using var stream = new MemoryStream();
        var annotations = new DataViewSchema.Annotations.Builder();
        annotations.Add("SlotNames", new VectorDataViewType(TextDataViewType.Instance, 2),
            (ref VBuffer<ReadOnlyMemory<char>> value) => value = new(2, ["x".AsMemory(), "y".AsMemory()]));
        var schema = new DataViewSchema.Builder();
        schema.AddColumn("Text", TextDataViewType.Instance);
        schema.AddColumn("Key", new KeyDataViewType(typeof(uint), 5));
        schema.AddColumn("Vector", new VectorDataViewType(NumberDataViewType.Single, 2), annotations.ToAnnotations());

        _ml.Model.Save(pipeline.Fit(Texts("a")), schema.ToSchema(), stream);
        stream.Position = 0;
        var loaded = new MLContext().Model.Load(stream, out var loadedSchema);

        var result = loaded.Transform(Texts("b"));
        CollectionAssert.AreEqual(new[] { "Copy", "Text" }, result.Schema.Select(column => column.Name).ToArray());
        Assert.AreEqual("b", result.GetColumn<string>("Copy").Single());
        CollectionAssert.AreEqual(new[] { "Text", "Key", "Vector" }, loadedSchema.Select(column => column.Name).ToArray());
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 5), loadedSchema["Key"].Type);
        VBuffer<ReadOnlyMemory<char>> names = default;
        loadedSchema["Vector"].Annotations.GetValue("SlotNames", ref names);
        Assert.AreEqual("y", names.GetItemOrDefault(1).ToString());
    }

    [TestMethod]
    public void A_file_that_is_no_model_is_a_format_error()
    {
        Assert.ThrowsExactly<FormatException>(() => _ml.Model.Load(new MemoryStream("not a zip"u8.ToArray()), out _));
    }

    [TestMethod]
    public void A_transformer_that_can_not_be_saved_says_so()
    {
        var model = _ml.Transforms.CopyColumns("Copy", "Text").Append(new Counting()).Fit(Texts("a"));
        Assert.ThrowsExactly<NotSupportedException>(() => _ml.Model.Save(model, Texts().Schema, new MemoryStream()));
    }

    [TestMethod]
    public void Saving_goes_through_the_temporary_folder_of_the_context()
    {
        string folder = Directory.CreateTempSubdirectory("standins-").FullName;
        try
        {
            _ml.TempFilePath = folder;
            bool inUse = false;
            var model = new Counting { Saving = () => inUse = Directory.EnumerateFileSystemEntries(folder).Any() };
            Assert.ThrowsExactly<NotSupportedException>(() => _ml.Model.Save(model, Texts().Schema, new MemoryStream()));
            Assert.IsTrue(inUse);
            Assert.IsFalse(Directory.EnumerateFileSystemEntries(folder).Any(), "nothing stays behind");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [TestMethod]
    public void A_prediction_engine_transforms_one_object_after_another()
    {
        var counting = new Counting();
        var model = _ml.Transforms.CopyColumns("Copy", "Text").Append(counting).Fit(Texts("a"));
        var engine = _ml.Model.CreatePredictionEngine<TextRow, Copied>(model);
        Assert.AreEqual("b", engine.Predict(new() { Text = "b" }).Copy);
        Assert.AreEqual("c", engine.Predict(new() { Text = "c" }).Copy);
        Assert.IsNotNull(engine.OutputSchema.GetColumnOrNull("Copy"));
        engine.Dispose();
        engine.Dispose();
        Assert.AreEqual(1, counting.Disposals, "the engine owns its transformer");
    }

    [TestMethod]
    public void Messages_reach_the_log_with_their_source()
    {
        var messages = new List<LoggingEventArgs>();
        _ml.Log += (_, message) => messages.Add(message);
        using (var channel = ((IHostEnvironment)_ml).Register("Gpt").Start("Train"))
            channel.Info(MessageSensitivity.None, "step {0}", 3);
        var info = messages.Single(message => message.Kind == ChannelMessageKind.Info);
        Assert.AreEqual("[Source=Gpt; Train, Kind=Info] step 3", info.Message);
        Assert.AreEqual(("Gpt; Train", "step 3"), (info.Source, info.RawMessage));
    }

    [TestMethod]
    public void A_context_asks_for_no_GPU_unless_told_so()
    {
        Assert.IsNull(_ml.GpuDeviceId);
        Assert.IsFalse(_ml.FallbackToCpu);
        _ml.GpuDeviceId = 1;
        Assert.AreEqual(1, _ml.GpuDeviceId);
    }
}
