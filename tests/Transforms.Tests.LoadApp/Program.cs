using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML;

// Loads the model file and predicts each further argument, once in a batch and once with a PredictionEngine. Prints a line of JSON for each, then the
// assemblies that were loaded on the way. --classify in front: the model gives the scores of classes; --rank: a reward; --embed: a vector.
string mode = args[0].StartsWith("--", StringComparison.Ordinal) ? args[0] : "";
if (mode.Length > 0) args = args[1..];
var json = new JsonSerializerOptions { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals }; // an empty text has no perplexity
var ml = new MLContext();
ITransformer model = ml.Model.Load(args[0], out _);
LoadApp.Question[] questions = [.. args[1..].Select(text => new LoadApp.Question { Text = text })];

if (mode == "--classify") Print<LoadApp.Classified>();
else if (mode == "--rank") Print<LoadApp.Scored>();
else if (mode == "--embed") Print<LoadApp.Embedded>();
else Print<LoadApp.Answer>();

Console.WriteLine(string.Join(" ", AppDomain.CurrentDomain.GetAssemblies().Select(assembly => assembly.GetName().Name).Order()));

void Print<TAnswer>()
    where TAnswer : class, new()
{
    foreach (TAnswer answer in ml.Data.CreateEnumerable<TAnswer>(model.Transform(ml.Data.LoadFromEnumerable(questions)), reuseRowObject: false))
        Console.WriteLine(JsonSerializer.Serialize(answer, json));
    using PredictionEngine<LoadApp.Question, TAnswer> engine = ml.Model.CreatePredictionEngine<LoadApp.Question, TAnswer>(model);
    foreach (LoadApp.Question question in questions) Console.WriteLine(JsonSerializer.Serialize(engine.Predict(question), json));
}
