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

    // A number with a point or a comma and a digit beside it is a part of another one; at the ends of a sentence it is not.
    [TestMethod]
    [DataRow("1,4111111111111111", "")]
    [DataRow("1.4111111111111111", "")]
    [DataRow("4111111111111111,5", "")]
    [DataRow("4111111111111111.5", "")]
    [DataRow("4111111111111111", "0+16")]
    [DataRow(",4111111111111111", "1+16")]
    [DataRow("x,4111111111111111", "2+16")]
    [DataRow("12 x4111111111111111", "4+16")]
    [DataRow("4111111111111111,", "0+16")]
    [DataRow("4111111111111111.x", "0+16")]
    [DataRow("4111111111111111x5", "0+16")]
    [DataRow("4111111111111111 bob@x.org", "0+16 17+9")]
    [DataRow("bob@x.org4111111111111111", "0+9 9+16")]
    [DataRow("4111111111111112", "")]
    public void A_card_is_no_part_of_another_number(string text, string expected) =>
        Assert.AreEqual(expected, string.Join(' ', PersonalData.Find(text).Select(static match => $"{match.Start}+{match.Length}")));

    // The first kind in the order has its place; what only touches it has its own.
    [TestMethod]
    [DataRow("a4111111111111111@x.org", "Email 0+23")]
    [DataRow("12 rue de Bob@x.org", "Email 10+9")]
    [DataRow("1600 Pennsylvania Ave.4111111111111111", "Address 0+22 Card 22+16")]
    public void What_lies_within_another_kind_is_part_of_it(string text, string expected) =>
        Assert.AreEqual(expected, string.Join(' ', PersonalData.Find(text).Select(static match => $"{match.Kind} {match.Start}+{match.Length}")));

    [TestMethod]
    [DataRow("030 901", false)]
    [DataRow("030 9018", true)]
    [DataRow("+49 12345 12345 123", true)]
    [DataRow("+49 12345 12345 1234", false)]
    public void A_telephone_number_has_7_to_15_digits(string text, bool found) => Assert.HasCount(found ? 1 : 0, PersonalData.Find(text));

    // All kinds mixed, 80,000 places: with a look at every place found so far for each, this would take minutes.
    [TestMethod]
    public void Many_matches_come_in_their_order()
    {
        const string One = "a@b.co, 4111 1111 1111 1111; 415-555-2671; 221b Baker Street; ";
        IReadOnlyList<PersonalDataMatch> found = PersonalData.Find(string.Concat(Enumerable.Repeat(One, 20_000)));
        (PersonalDataKind, int, int)[] expected = [(PersonalDataKind.Email, 0, 6), (PersonalDataKind.Card, 8, 19), (PersonalDataKind.Telephone, 29, 12), (PersonalDataKind.Address, 43, 17)];
        Assert.HasCount(80_000, found);
        for (int i = 0; i < found.Count; i++) Assert.AreEqual(expected[i % 4], (found[i].Kind, found[i].Start - (i / 4 * One.Length), found[i].Length));
    }

    [TestMethod]
    public void Matches_may_touch_and_be_empty_and_not_overlap()
    {
        Assert.AreEqual("[email][card]", PersonalData.Mask("ab", [new(PersonalDataKind.Email, 0, 1), new(PersonalDataKind.Card, 1, 1)]));
        Assert.AreEqual("a[email]b", PersonalData.Mask("ab", [new(PersonalDataKind.Email, 1, 0)]));
        Assert.AreEqual("ab", PersonalData.Mask("ab", []));
        foreach ((PersonalDataMatch[] matches, string problem) in ((PersonalDataMatch[], string)[])[
            ([new(PersonalDataKind.Email, 0, 2), new(PersonalDataKind.Card, 1, 1)], "A match begins at 1 with 1 characters, in a text of 3 after one that ends at 2;"),
            ([new(PersonalDataKind.Email, 2, 2)], "A match begins at 2 with 2 characters, in a text of 3 after one that ends at 0;"),
            ([new(PersonalDataKind.Email, 1, -1)], "A match begins at 1 with -1 characters, in a text of 3 after one that ends at 0;")])
        {
            string message = Assert.ThrowsExactly<ArgumentException>(() => PersonalData.Mask("abc", matches)).Message;
            StringAssert.StartsWith(message, problem + " pass the matches of this text, in their order.");
        }

        Assert.AreEqual("text", Assert.ThrowsExactly<ArgumentNullException>(() => PersonalData.Find(null!)).ParamName);
        Assert.AreEqual("text", Assert.ThrowsExactly<ArgumentNullException>(() => PersonalData.Mask(null!, [])).ParamName);
        Assert.AreEqual("matches", Assert.ThrowsExactly<ArgumentNullException>(() => PersonalData.Mask("", null!)).ParamName);
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
