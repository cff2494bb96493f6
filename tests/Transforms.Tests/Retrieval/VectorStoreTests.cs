using System.Buffers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace MLNet.Gpt.Transforms.Tests.Retrieval;

[TestClass]
public sealed class VectorStoreTests
{
    [TestMethod]
    public void Exact_search_is_the_order_of_all_scores()
    {
        var random = new Random(3);
        float[][] vectors = [.. Enumerable.Range(0, 200).Select(_ => Draw(random, 8))];
        foreach ((string name, Func<float[], float[], double> score, bool nearIsSmall) in new (string, Func<float[], float[], double>, bool)[]
        {
            (DistanceFunction.CosineSimilarity, static (a, b) => Dot(a, b) / Math.Sqrt(Dot(a, a) * Dot(b, b)), false),
            (DistanceFunction.CosineDistance, static (a, b) => 1 - (Dot(a, b) / Math.Sqrt(Dot(a, a) * Dot(b, b))), true),
            (DistanceFunction.DotProductSimilarity, Dot, false), (DistanceFunction.NegativeDotProductSimilarity, static (a, b) => -Dot(a, b), true),
            (DistanceFunction.EuclideanDistance, static (a, b) => Math.Sqrt(a.Zip(b, static (x, y) => Math.Pow(x - y, 2)).Sum()), true),
            (DistanceFunction.EuclideanSquaredDistance, static (a, b) => a.Zip(b, static (x, y) => Math.Pow(x - y, 2)).Sum(), true),
        })
        {
            VectorSimilarity similarity = VectorSimilarity.Of(name);
            var set = new VectorSet(similarity, graph: null);
            foreach (float[] vector in vectors) set.Add(vector);
            float[] query = Draw(random, 8);
            (int Id, double Score)[] expected = [.. vectors.Select((vector, id) => (id, score(query, vector))).OrderBy(item => nearIsSmall ? item.Item2 : -item.Item2).Take(7)];
            List<(float Nearness, int Id)> found = set.Search(query, 7);
            CollectionAssert.AreEqual(expected.Select(static item => item.Id).ToArray(), found.Select(static item => item.Id).ToArray(), name);
            for (int i = 0; i < 7; i++) Assert.AreEqual(expected[i].Score, similarity.ToScore(found[i].Nearness), 1e-4, name);
        }
    }

    [TestMethod]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    [DataRow(float.NegativeInfinity)]
    public async Task A_vector_with_what_is_no_number_is_refused(float bad)
    {
        using var store = new InMemoryVectorStore();
        var notes = store.GetDynamicCollection("notes", new VectorStoreCollectionDefinition { Properties = [new VectorStoreKeyProperty("Id", typeof(int)), new VectorStoreVectorProperty("Vector", typeof(ReadOnlyMemory<float>), 3)] });
        await notes.EnsureCollectionExistsAsync();
        await notes.UpsertAsync(new Dictionary<string, object?> { ["Id"] = 1, ["Vector"] = new ReadOnlyMemory<float>([1, 2, 3]) });
        foreach (Func<Task> broken in (Func<Task>[])
        [
            () => notes.UpsertAsync(new Dictionary<string, object?> { ["Id"] = 1, ["Vector"] = new ReadOnlyMemory<float>([1, bad, 3]) }),
            async () => await notes.SearchAsync(new ReadOnlyMemory<float>([1, bad, 3]), 1).ToListAsync(),
        ])
            StringAssert.StartsWith((await Assert.ThrowsExactlyAsync<VectorStoreException>(broken)).Message, FormattableString.Invariant($"Number 1 of a vector for 'notes.Vector' is {bad},"));
        Assert.AreEqual(1, (await notes.SearchAsync(new ReadOnlyMemory<float>([1, 2, 3]), 5).ToListAsync()).Count, "the record stays as it was");
    }

    [TestMethod]
    public async Task Putting_records_in_can_be_cancelled_and_leaves_all_as_it_was()
    {
        using var store = new InMemoryVectorStore();
        var notes = store.GetDynamicCollection("notes", new VectorStoreCollectionDefinition { Properties = [new VectorStoreKeyProperty("Id", typeof(int)), new VectorStoreVectorProperty("Vector", typeof(ReadOnlyMemory<float>), 2) { IndexKind = IndexKind.Hnsw }] });
        await notes.EnsureCollectionExistsAsync();
        await notes.UpsertAsync(Enumerable.Range(0, 3).Select(static id => Note(id, new float[] { id, 1 })));
        using var cancel = new CancellationTokenSource();

        // Cancelled when the graph takes the fourth; before it 0 has been replaced twice, and 7 is new.
        var last = new CancellingVector([5, 5], cancel);
        await Assert.ThrowsAsync<OperationCanceledException>(() => notes.UpsertAsync([Note(0, new float[] { 8, 0 }), Note(7, new float[] { 9, 0 }), Note(0, new float[] { 7, 0 }), Note(9, last.Memory), Note(10, new float[] { 1, 1 })], cancel.Token));
        Assert.IsGreaterThan(2, last.Reads, "all vectors have been checked by then");
        List<VectorSearchResult<Dictionary<string, object?>>> left = await notes.SearchAsync(new ReadOnlyMemory<float>([0, 1]), 10).ToListAsync();
        CollectionAssert.AreEqual(new object[] { 0, 1, 2 }, left.Select(static one => one.Record["Id"]).ToArray());
        Assert.AreEqual(1, left[0].Score!.Value, 1e-6, "(0, 1) is its vector again");
        await Assert.ThrowsAsync<OperationCanceledException>(async () => await notes.SearchAsync(new ReadOnlyMemory<float>([0, 1]), 1).ToListAsync(cancel.Token));

        static Dictionary<string, object?> Note(int id, ReadOnlyMemory<float> vector) => new() { ["Id"] = id, ["Vector"] = vector };
    }

    [TestMethod]
    public void The_graph_finds_nearly_all_that_exact_search_finds()
    {
        var random = new Random(5);
        VectorSimilarity cosine = VectorSimilarity.Of(null);
        VectorSet exact = new(cosine, null), graph = new(cosine, new HnswOptions());
        for (int i = 0; i < 2_000; i++)
        {
            float[] vector = Draw(random, 16);
            exact.Add(vector);
            graph.Add(vector);
        }

        // The paper's figures at such sizes are above 0.95; a graph without links across would find a tenth.
        Assert.IsGreaterThan(475, Hits(random, exact, graph));

        // Results that are not allowed, or removed, do not come, however many they are.
        float[] near = Draw(random, 16);
        List<(float Nearness, int Id)> few = graph.Search(near, 5, static id => id % 400 == 7);
        CollectionAssert.AreEqual(exact.Search(near, 5, static id => id % 400 == 7), few);
        int best = graph.Search(near, 1)[0].Id;
        graph.Remove(best);
        Assert.AreNotEqual(best, graph.Search(near, 1)[0].Id);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(1_500)]
    public void The_graph_finds_the_others_where_many_vectors_are_the_same(int at)
    {
        // 400 of 2,000 are one vector, such as that of a heading that every page has.
        var random = new Random(8);
        VectorSimilarity cosine = VectorSimilarity.Of(null);
        VectorSet exact = new(cosine, null), graph = new(cosine, new HnswOptions());
        float[] heading = Draw(random, 16);
        for (int i = 0; i < 2_000; i++)
        {
            float[] vector = i >= at && i < at + 400 ? heading : Draw(random, 16);
            exact.Add(vector);
            graph.Add(vector);
        }

        Assert.IsGreaterThan(475, Hits(random, exact, graph));
        Assert.AreEqual(100, graph.Search(heading, 100).Count(item => item.Id >= at && item.Id < at + 400));
    }

    // Ten vectors of one direction, three times over, and some between them that are farther: all of the direction are equally near, however long, and stand in many places of the graph.
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Of_equally_near_vectors_those_that_were_added_first_come_first(bool graph)
    {
        var set = new VectorSet(VectorSimilarity.Of(DistanceFunction.DotProductSimilarity), graph ? new HnswOptions { MaxNeighbors = 4, SearchCandidates = 4 } : null);
        var random = new Random(2);
        List<int> near = [];
        for (int round = 0; round < 3; round++)
        {
            foreach (int i in Enumerable.Range(0, 10).OrderBy(_ => random.Next()))
            {
                near.Add(set.Add(new float[] { 8, i, 0 })); // 8 from (1, 0, 0), whatever i is
                set.Add(new float[] { 4, i, random.Next(9) });
            }
        }

        foreach (int count in new[] { 1, 2, 7, 30 })
            CollectionAssert.AreEqual(near.Take(count).ToArray(), set.Search([1, 0, 0], count).Select(static item => item.Id).ToArray(), $"the first {count}");

        // Without some of them, and without those that are not allowed.
        set.Remove(near[0]);
        CollectionAssert.AreEqual(near[2..5], set.Search([1, 0, 0], 3, id => id != near[1]).Select(static item => item.Id).ToArray());
        List<(float Nearness, int Id)> all = set.Search([1, 0, 0], 59);
        Assert.IsGreaterThan(graph ? 50 : 58, all.Count, "a graph of few neighbours may miss some");
        CollectionAssert.AreEqual(all.OrderByDescending(static item => item.Nearness).ThenBy(static item => item.Id).ToArray(), all);
    }

    // On a line, the vector at 0, candidates at 1, 1.5, -2 and 2: 1 is chosen; 1.5 is 0.5 from it and 1.5 from 0, so it is not; -2 is 3 from 1 and 2 from 0, so it is; 2 is 1 from 1. Then the discarded, the nearest first.
    [TestMethod]
    [DataRow(1, "0")]
    [DataRow(2, "0 2")]
    [DataRow(3, "0 2 1")]
    [DataRow(4, "0 2 1 3")]
    [DataRow(9, "0 2 1 3")]
    public void Neighbours_are_chosen_in_all_directions(int most, string expected)
    {
        float[] at = [1, 1.5f, -2, 2];
        (float, int)[] candidates = [.. at.Select(static (x, id) => (-Math.Abs(x), id))];
        Assert.AreEqual(expected, string.Join(' ', HnswIndex.Select(candidates, most, (a, b) => -Math.Abs(at[a] - at[b]))));
    }

    // The vector at 0, candidates at 2, 4 and -5, of which the second is said to be 2 from it, as it is from the first.
    [TestMethod]
    public void A_candidate_that_is_as_near_to_a_chosen_one_as_to_the_vector_is_discarded()
    {
        float[] at = [2, 4, -5]; // -5 is 7 from 2 and 5 from 0
        (float, int)[] candidates = [(-2, 0), (-2, 1), (-5, 2)];
        CollectionAssert.AreEqual(new[] { 0, 2 }, HnswIndex.Select(candidates, 2, (a, b) => -Math.Abs(at[a] - at[b])));
    }

    // Two heaps on a line, far from each other. The nearest of each vector all lie in its own heap; the way between the heaps is the neighbour in another direction.
    [TestMethod]
    public void Heaps_of_vectors_stay_connected()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var set = new VectorSet(VectorSimilarity.Of(DistanceFunction.EuclideanDistance), new HnswOptions { MaxNeighbors = 2, ConstructionCandidates = 10, SearchCandidates = 1, Seed = seed });
            for (int i = 0; i < 40; i++) set.Add(new float[] { i });
            for (int i = 0; i < 40; i++) set.Add(new float[] { 1_000 + i });
            for (int i = 0; i < 40; i++)
            {
                Assert.AreEqual(i, set.Search([i], 1)[0].Id, $"seed {seed}");
                Assert.AreEqual(40 + i, set.Search([1_000 + i], 1)[0].Id, $"seed {seed}");
            }
        }
    }

    [TestMethod]
    [DataRow(IndexKind.Flat)]
    [DataRow(IndexKind.Hnsw)]
    public async Task Records_are_kept_found_replaced_and_deleted(string kind)
    {
        using var store = new InMemoryVectorStore(new Counting());
        var definition = new VectorStoreCollectionDefinition
        {
            Properties = [new VectorStoreKeyProperty(nameof(Note.Id), typeof(int)), new VectorStoreDataProperty(nameof(Note.Topic), typeof(string)), new VectorStoreVectorProperty(nameof(Note.Text), typeof(string), 3) { IndexKind = kind }],
        };
        VectorStoreCollection<int, Note> notes = store.GetCollection<int, Note>("notes", definition);
        Assert.IsFalse(await notes.CollectionExistsAsync());
        await Assert.ThrowsExactlyAsync<VectorStoreException>(() => notes.UpsertAsync(new Note { Id = 1, Text = "a" }));
        await notes.EnsureCollectionExistsAsync();
        await notes.UpsertAsync([new() { Id = 1, Text = "aaab", Topic = "x" }, new() { Id = 2, Text = "bbbc", Topic = "y" }, new() { Id = 3, Text = "ccca", Topic = "x" }]);

        // Vectors count the letters a, b and c.
        List<VectorSearchResult<Note>> found = await notes.SearchAsync("aab", 2).ToListAsync();
        CollectionAssert.AreEqual(new[] { 1, 2 }, found.Select(static result => result.Record.Id).ToArray());
        Assert.AreEqual(7 / Math.Sqrt(10 * 5), found[0].Score!.Value, 1e-6); // (3, 1, 0) · (2, 1, 0); the second has 3 / √50, the third 2 / √50
        Assert.AreEqual(2, (await notes.SearchAsync(new ReadOnlyMemory<float>([0, 1, 0]), 1).ToListAsync())[0].Record.Id);
        Assert.AreEqual(3, (await notes.SearchAsync("aab", 1, new() { Filter = static note => note.Topic == "x", Skip = 1 }).ToListAsync())[0].Record.Id);
        Assert.HasCount(1, await notes.SearchAsync("aab", 3, new() { ScoreThreshold = 0.9 }).ToListAsync());
        CollectionAssert.AreEqual(new[] { 3, 1 }, (await notes.GetAsync(static note => note.Topic == "x", 5, new() { OrderBy = static order => order.Descending(static note => note.Id) }).ToListAsync()).Select(static note => note.Id).ToArray());

        await notes.UpsertAsync(new Note { Id = 1, Text = "c", Topic = "z" });
        Assert.AreEqual("z", (await notes.GetAsync(1))!.Topic);
        Assert.AreEqual(2, (await notes.SearchAsync("aab", 1).ToListAsync())[0].Record.Id);
        await notes.DeleteAsync(3);
        Assert.IsNull(await notes.GetAsync(3));
        Assert.HasCount(2, await notes.SearchAsync("aab", 5).ToListAsync());
        CollectionAssert.AreEqual(new[] { "notes" }, await store.ListCollectionNamesAsync().ToListAsync());
        Assert.AreSame(notes, store.GetCollection<int, Note>("notes", definition));
        Assert.ThrowsExactly<InvalidOperationException>(() => store.GetCollection<long, Note>("notes"));
        await store.EnsureCollectionDeletedAsync("notes");
        Assert.IsFalse(await store.CollectionExistsAsync("notes"));
    }

    [TestMethod]
    public async Task Records_are_ordered_by_one_property_after_another_and_paged()
    {
        using var store = new InMemoryVectorStore(new Counting());
        var definition = new VectorStoreCollectionDefinition
        {
            Properties = [new VectorStoreKeyProperty(nameof(Note.Id), typeof(int)), new VectorStoreDataProperty(nameof(Note.Topic), typeof(string)), new VectorStoreVectorProperty(nameof(Note.Text), typeof(string), 3)],
        };
        VectorStoreCollection<int, Note> notes = store.GetCollection<int, Note>("notes", definition);
        await notes.EnsureCollectionExistsAsync();
        await notes.UpsertAsync([new() { Id = 4, Topic = "x", Text = "a" }, new() { Id = 2, Topic = "y", Text = "a" }, new() { Id = 3, Topic = "x", Text = "a" }, new() { Id = 1, Topic = "y", Text = "a" }, new() { Id = 5, Topic = "z", Text = "a" }]);
        Assert.AreEqual("4 2 3 1 5", await Ids(new(), 9), "as they came");
        Assert.AreEqual("3 4 1 2 5", await Ids(new() { OrderBy = static order => order.Ascending(static note => note.Topic).Ascending(static note => note.Id) }, 9));
        Assert.AreEqual("4 3 2 1 5", await Ids(new() { OrderBy = static order => order.Ascending(static note => note.Topic).Descending(static note => note.Id) }, 9));
        Assert.AreEqual("5 1 2 3 4", await Ids(new() { OrderBy = static order => order.Descending(static note => note.Topic).Ascending(static note => note.Id) }, 9));
        Assert.AreEqual("2 3", await Ids(new() { Skip = 1, OrderBy = static order => order.Ascending(static note => note.Id) }, 2));
        Assert.AreEqual("", await Ids(new() { Skip = 5 }, 2));

        async Task<string> Ids(FilteredRecordRetrievalOptions<Note> options, int top) => string.Join(' ', (await notes.GetAsync(static note => note.Id > 0, top, options).ToListAsync()).Select(static note => note.Id));
    }

    [TestMethod]
    public async Task A_score_at_the_threshold_reaches_it()
    {
        using var store = new InMemoryVectorStore();
        foreach ((string function, double threshold, int[] expected) in new (string, double, int[])[] { (DistanceFunction.EuclideanDistance, 5, [1, 2]), (DistanceFunction.DotProductSimilarity, 12, [3, 2]) })
        {
            // From (3, 0) the distances are 0, 5 and 6, and the products 9, 12 and 27.
            var places = store.GetDynamicCollection(function, new() { Properties = [new VectorStoreKeyProperty("Id", typeof(int)), new VectorStoreVectorProperty("At", typeof(ReadOnlyMemory<float>), 2) { DistanceFunction = function }] });
            await places.EnsureCollectionExistsAsync();
            float[][] at = function == DistanceFunction.EuclideanDistance ? [[3, 0], [0, 4], [9, 0]] : [[3, 0], [4, 3], [9, 0]];
            await places.UpsertAsync(at.Select(static (vector, i) => new Dictionary<string, object?> { ["Id"] = i + 1, ["At"] = new ReadOnlyMemory<float>(vector) }));
            CollectionAssert.AreEqual(expected, (await places.SearchAsync(new ReadOnlyMemory<float>([3, 0]), 9, new() { ScoreThreshold = threshold }).ToListAsync()).Select(static found => (int)found.Record["Id"]!).ToArray(), function);
        }
    }

    [TestMethod]
    public async Task A_record_without_a_key_gets_one_and_the_zero_vector_is_near_nothing()
    {
        using var store = new InMemoryVectorStore();
        VectorStoreCollection<Guid, Keyless> records = store.GetCollection<Guid, Keyless>("records");
        await records.EnsureCollectionExistsAsync();
        Keyless zero = new() { At = new float[] { 0, 0 } }, there = new() { At = new float[] { 3, 4 } };
        await records.UpsertAsync([zero, there]);
        Assert.IsTrue(zero.Id != Guid.Empty && there.Id != Guid.Empty && zero.Id != there.Id);
        Assert.AreSame(there, await records.GetAsync(there.Id));
        Guid before = there.Id;
        await records.UpsertAsync(there);
        Assert.AreEqual(before, there.Id, "and keeps it");
        List<VectorSearchResult<Keyless>> found = await records.SearchAsync(new float[] { 3, 4 }, 5).ToListAsync();
        Assert.AreSame(there, found[0].Record);
        Assert.AreEqual((2, 0.0), (found.Count, found[1].Score!.Value));
    }

    [TestMethod]
    [DataRow(IndexKind.Flat)]
    [DataRow(IndexKind.Hnsw)]
    public async Task Records_that_are_replaced_for_ever_take_no_more_memory(string kind)
    {
        // 50 records, each replaced 100 times; of 1,000 numbers each 5,000 would be 20 MB, and 50 with as many, or 100, that have not been cleared away yet 0.6 MB.
        using var store = new InMemoryVectorStore(null, new() { MaxNeighbors = 4, ConstructionCandidates = 4 });
        VectorStoreCollection<object, Dictionary<string, object?>> records = store.GetDynamicCollection("records", new()
        {
            Properties = [new VectorStoreKeyProperty("Id", typeof(int)), new VectorStoreVectorProperty("Vector", typeof(ReadOnlyMemory<float>), 1_000) { IndexKind = kind, DistanceFunction = DistanceFunction.EuclideanDistance }],
        });
        await records.EnsureCollectionExistsAsync();
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 5_000; i++)
        {
            float[] vector = new float[1_000];
            (vector[0], vector[1]) = (i % 50, i / 50);
            await records.UpsertAsync(new Dictionary<string, object?> { ["Id"] = i % 50, ["Vector"] = new ReadOnlyMemory<float>(vector) });
        }

        Assert.IsLessThan(4 << 20, GC.GetTotalMemory(forceFullCollection: true) - before);

        // What is there is the last of each, in the order in which they came.
        float[] query = new float[1_000];
        query[1] = 99;
        CollectionAssert.AreEqual(Enumerable.Range(0, 50).ToArray(), (await records.SearchAsync(new ReadOnlyMemory<float>(query), 100).ToListAsync()).Select(static result => (int)result.Record["Id"]!).ToArray());
        for (int id = 0; id < 50; id += 2) await records.DeleteAsync(id);
        Assert.IsNull(await records.GetAsync(4));
        Assert.AreEqual(99f, ((ReadOnlyMemory<float>)(await records.GetAsync(7))!["Vector"]!).Span[1]);
        CollectionAssert.AreEqual(Enumerable.Range(0, 25).Select(static i => (2 * i) + 1).ToArray(), (await records.SearchAsync(new ReadOnlyMemory<float>(query), 100).ToListAsync()).Select(static result => (int)result.Record["Id"]!).ToArray());
    }

    [TestMethod]
    public async Task Of_records_of_which_one_is_wrong_none_is_taken()
    {
        using var store = new InMemoryVectorStore(new Counting());
        VectorStoreCollection<string, Named> notes = store.GetCollection<string, Named>("notes", new() { Properties = [new VectorStoreKeyProperty(nameof(Named.Id), typeof(string)), new VectorStoreVectorProperty(nameof(Named.Text), typeof(string), 3)] });
        await notes.EnsureCollectionExistsAsync();
        await Assert.ThrowsExactlyAsync<VectorStoreException>(() => notes.UpsertAsync([new() { Id = "a", Text = "a" }, new() { Text = "b" }]));
        ArgumentException missing = await Assert.ThrowsExactlyAsync<ArgumentException>(() => notes.UpsertAsync([new() { Id = "a", Text = "a" }, null!]));
        StringAssert.StartsWith(missing.Message, "Record 1 for 'notes' is null");
        Assert.IsNull(await notes.GetAsync("a"));
    }

    [TestMethod]
    public async Task A_page_behind_the_last_record_is_empty_and_all_may_be_asked_for()
    {
        using var store = new InMemoryVectorStore(new Counting());
        VectorStoreCollection<int, Note> notes = store.GetCollection<int, Note>("notes", new() { Properties = [new VectorStoreKeyProperty(nameof(Note.Id), typeof(int)), new VectorStoreVectorProperty(nameof(Note.Text), typeof(string), 3)] });
        await notes.EnsureCollectionExistsAsync();
        await notes.UpsertAsync([new() { Id = 1, Text = "a" }, new() { Id = 2, Text = "ab" }, new() { Id = 3, Text = "b" }]);
        CollectionAssert.AreEqual(new[] { 2, 3 }, (await notes.SearchAsync("a", int.MaxValue, new() { Skip = 1 }).ToListAsync()).Select(static result => result.Record.Id).ToArray());
        Assert.IsEmpty(await notes.SearchAsync("a", 2, new() { Skip = 3 }).ToListAsync());
    }

    [TestMethod]
    public async Task Attributes_and_dictionaries_declare_records_too()
    {
        using var store = new InMemoryVectorStore();
        VectorStoreCollection<Guid, Place> places = store.GetCollection<Guid, Place>("places");
        await places.EnsureCollectionExistsAsync();
        await places.UpsertAsync([new() { Name = "here", At = new float[] { 0, 0 } }, new() { Name = "there", At = new float[] { 3, 4 } }]);
        VectorSearchResult<Place> nearest = (await places.SearchAsync(new float[] { 3, 3 }, 1).ToListAsync())[0];
        Assert.AreEqual(("there", 1.0), (nearest.Record.Name, nearest.Score!.Value));
        Assert.HasCount(1, await places.SearchAsync(new float[] { 3, 3 }, 2, new() { ScoreThreshold = 2 }).ToListAsync());
        await Assert.ThrowsExactlyAsync<VectorStoreException>(() => places.UpsertAsync(new Place { At = new float[] { 1 } }));
        await Assert.ThrowsExactlyAsync<VectorStoreException>(async () => await places.SearchAsync(new float[] { 1, 2, 3 }, 1).ToListAsync());
        await Assert.ThrowsExactlyAsync<VectorStoreException>(async () => await places.SearchAsync("text", 1).ToListAsync());

        VectorStoreCollection<object, Dictionary<string, object?>> loose = store.GetDynamicCollection("loose", new() { Properties = [new VectorStoreKeyProperty("Id", typeof(string)), new VectorStoreVectorProperty("V", typeof(ReadOnlyMemory<float>), 2)] });
        await loose.EnsureCollectionExistsAsync();
        await loose.UpsertAsync(new Dictionary<string, object?> { ["Id"] = "k", ["V"] = new ReadOnlyMemory<float>([1, 1]) });
        Assert.AreEqual("k", (await loose.SearchAsync(new ReadOnlyMemory<float>([1, 0]), 1).ToListAsync())[0].Record["Id"]);
        VectorStoreCollectionDefinition Odd(string? function, string? index) => new() { Properties = [new VectorStoreKeyProperty("Id", typeof(string)), new VectorStoreVectorProperty("V", typeof(ReadOnlyMemory<float>), 2) { DistanceFunction = function, IndexKind = index }] };
        Assert.ThrowsExactly<UnsupportedOptionException>(() => store.GetDynamicCollection("odd", Odd(DistanceFunction.HammingDistance, null)));
        Assert.ThrowsExactly<UnsupportedOptionException>(() => store.GetDynamicCollection("odd", Odd(null, IndexKind.DiskAnn)));
    }

    [TestMethod]
    public async Task Many_threads_may_read_and_write()
    {
        using var store = new InMemoryVectorStore(new Counting(), new HnswOptions { MaxNeighbors = 4, ConstructionCandidates = 8 });
        VectorStoreCollection<int, Note> notes = store.GetCollection<int, Note>("notes", new() { Properties = [new VectorStoreKeyProperty(nameof(Note.Id), typeof(int)), new VectorStoreVectorProperty(nameof(Note.Text), typeof(string), 3) { IndexKind = IndexKind.Hnsw }] });
        await notes.EnsureCollectionExistsAsync();
        await Parallel.ForAsync(0, 200, async (i, token) =>
        {
            await notes.UpsertAsync(new Note { Id = i, Text = new string("abc"[i % 3], 1 + (i % 7)) }, token);
            Assert.IsNotEmpty(await notes.SearchAsync("ab", 3, cancellationToken: token).ToListAsync(token));
        });
        for (int i = 0; i < 200; i++) Assert.IsNotNull(await notes.GetAsync(i));
    }

    /// <summary>Of the ten nearest to each of 50 queries, how many the graph finds, 500 at most.</summary>
    private static int Hits(Random random, VectorSet exact, VectorSet graph)
    {
        int hits = 0;
        for (int q = 0; q < 50; q++)
        {
            float[] query = Draw(random, 16);
            hits += exact.Search(query, 10).Select(static item => item.Id).Intersect(graph.Search(query, 10).Select(static item => item.Id)).Count();
        }

        return hits;
    }

    private static float[] Draw(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];

    private static double Dot(float[] a, float[] b) => a.Zip(b, static (x, y) => (double)x * y).Sum();

    /// <summary>A vector that cancels when it is read the third time: after its length has been asked for and its numbers have been checked.</summary>
    private sealed class CancellingVector(float[] numbers, CancellationTokenSource cancel) : MemoryManager<float>
    {
        public int Reads { get; private set; }

        public override Span<float> GetSpan()
        {
            if (++Reads == 3) cancel.Cancel();
            return numbers;
        }

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin() => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
        }
    }

    private sealed class Note
    {
        public int Id { get; set; }

        public string Topic { get; set; } = "";

        public string Text { get; set; } = "";
    }

    private sealed class Named
    {
        public string? Id { get; set; }

        public string Text { get; set; } = "";
    }

    private sealed class Keyless
    {
        [VectorStoreKey]
        public Guid Id { get; set; }

        [VectorStoreVector(2)]
        public ReadOnlyMemory<float> At { get; set; }
    }

    private sealed class Place
    {
        [VectorStoreKey]
        public Guid Id { get; set; } = Guid.NewGuid();

        [VectorStoreData]
        public string Name { get; set; } = "";

        [VectorStoreVector(2, DistanceFunction = DistanceFunction.EuclideanDistance)]
        public ReadOnlyMemory<float> At { get; set; }
    }

    /// <summary>A vector of how many a, b and c a text has.</summary>
    internal sealed class Counting : IEmbeddingGenerator<string, Embedding<float>>
    {
        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default) =>
            Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(static text => new Embedding<float>("abc".Select(letter => (float)text.Count(c => c == letter)).ToArray()))));

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
