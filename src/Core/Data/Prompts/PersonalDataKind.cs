namespace MLNet.Gpt;

/// <summary>A kind of personal data that text is searched for.</summary>
public enum PersonalDataKind
{
    /// <summary>An e-mail address.</summary>
    Email,

    /// <summary>The number of a payment card: 13 to 19 digits with a right check digit (Luhn; ISO/IEC 7812-1).</summary>
    Card,

    /// <summary>A telephone number: with a country code, in the North American form, or with a leading zero.</summary>
    Telephone,

    /// <summary>What looks like a postal address: a house number with a street, or a post box.</summary>
    Address,
}
