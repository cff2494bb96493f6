namespace MLNet.Gpt.Core.Tests.Data;

[TestClass]
public sealed class PersonalDataTests
{
    [TestMethod]
    [DataRow("write to jane.doe+news@mail.example.co.uk today", PersonalDataKind.Email, "jane.doe+news@mail.example.co.uk")]
    [DataRow("jürgen@müller.de", PersonalDataKind.Email, "jürgen@müller.de")]
    [DataRow("pay with 4111 1111 1111 1111, please", PersonalDataKind.Card, "4111 1111 1111 1111")]   // the networks' own test numbers
    [DataRow("5500-0000-0000-0004", PersonalDataKind.Card, "5500-0000-0000-0004")]
    [DataRow("378282246310005", PersonalDataKind.Card, "378282246310005")]
    [DataRow("call +1 415 555 2671.", PersonalDataKind.Telephone, "+1 415 555 2671")]
    [DataRow("call +49 (30) 901820 now", PersonalDataKind.Telephone, "+49 (30) 901820")]
    [DataRow("(415) 555-2671", PersonalDataKind.Telephone, "(415) 555-2671")]
    [DataRow("415-555-2671", PersonalDataKind.Telephone, "415-555-2671")]
    [DataRow("Tel. 030 901820", PersonalDataKind.Telephone, "030 901820")]
    [DataRow("I live at 221b Baker Street in London", PersonalDataKind.Address, "221b Baker Street")]
    [DataRow("1600 Pennsylvania Ave. is white", PersonalDataKind.Address, "1600 Pennsylvania Ave.")]
    [DataRow("Sie wohnt Lindenstraße 12a.", PersonalDataKind.Address, "Lindenstraße 12a")]
    [DataRow("12 rue de la Paix, Paris", PersonalDataKind.Address, "12 rue de la Paix")]
    [DataRow("write to P.O. Box 1234", PersonalDataKind.Address, "P.O. Box 1234")]
    public void What_looks_like_personal_data_is_found_as_a_whole(string text, PersonalDataKind kind, string expected)
    {
        PersonalDataMatch found = PersonalData.Find(text).Single();
        Assert.AreEqual(kind, found.Kind);
        Assert.AreEqual(expected, text.Substring(found.Start, found.Length));
    }

    [TestMethod]
    [DataRow("4111 1111 1111 1112")]                     // the check digit is wrong
    [DataRow("on 2024-01-02 at 10:30:45")]
    [DataRow("version 10.0.1234.5678")]
    [DataRow("pi is 3.14159265358979")]
    [DataRow("a @ b, and user@localhost")]
    [DataRow("In 1984 Winston met 3 Big Brothers")]
    [DataRow("123456")]
    [DataRow("12345678901234567890123")]                 // no part of a longer number
    public void What_does_not_is_left_alone(string text) => Assert.IsEmpty(PersonalData.Find(text));

    [TestMethod]
    public void Each_place_becomes_a_word_and_the_rest_stays()
    {
        const string Text = "I am bob@x.org, 4111111111111111, +44 20 7946 0958, of 10 Downing Street.";
        IReadOnlyList<PersonalDataMatch> found = PersonalData.Find(Text);
        CollectionAssert.AreEqual(new[] { PersonalDataKind.Email, PersonalDataKind.Card, PersonalDataKind.Telephone, PersonalDataKind.Address }, found.Select(static match => match.Kind).ToArray());
        Assert.AreEqual("I am [email], [card], [telephone], of [address]", PersonalData.Mask(Text, found).TrimEnd('.'));
        Assert.ThrowsExactly<ArgumentException>(() => PersonalData.Mask("short", found));
    }

    [TestMethod]
    public void A_check_digit_is_Luhns()
    {
        // 79927398713: 7+9·2→9+9+2·2→4+7+3·2→6+9+8·2→7+7+1·2→2+3 = 70.
        Assert.IsTrue(PersonalData.IsLuhn("79927398713"));
        foreach (char last in "012456789") Assert.IsFalse(PersonalData.IsLuhn("7992739871" + last));
        Assert.IsFalse(PersonalData.IsLuhn("-- "));
    }
}
