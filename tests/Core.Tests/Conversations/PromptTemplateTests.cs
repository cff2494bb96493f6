namespace MLNet.Gpt.Core.Tests.Conversations;

[TestClass]
public sealed class PromptTemplateTests
{
    [TestMethod]
    public void Fields_take_values_and_doubled_braces_are_text()
    {
        PromptTemplate template = PromptTemplate.Parse("{{x}} {A}: {B}{A}}}");
        CollectionAssert.AreEqual(new[] { "A", "B" }, template.Fields.ToArray());
        Assert.AreEqual("{x} {1}: 2{1}}", template.Fill(name => name == "A" ? "{1}" : "2")); // a value's braces are text
    }

    [TestMethod]
    [DataRow("a {b", 2)]
    [DataRow("a } b", 2)]
    [DataRow("{}", 0)]
    [DataRow("{ }", 0)]
    [DataRow("{a{b}", 0)]
    public void A_malformed_template_is_a_typed_error(string text, int position)
    {
        var exception = Assert.ThrowsExactly<PromptTemplateException>(() => PromptTemplate.Parse(text));
        Assert.AreEqual((text, position), (exception.Template, exception.Position));
    }
}
