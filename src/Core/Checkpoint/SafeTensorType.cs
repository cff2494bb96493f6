namespace MLNet.Gpt;

/// <summary>The element types of the safetensors format whose elements are whole bytes.</summary>
internal enum SafeTensorType
{
    /// <summary>BOOL: one byte, 0 or 1.</summary>
    Bool,

    /// <summary>U8.</summary>
    UInt8,

    /// <summary>I8.</summary>
    Int8,

    /// <summary>F8_E5M2: an 8-bit float of 5 exponent bits.</summary>
    Float8E5M2,

    /// <summary>F8_E4M3: an 8-bit float of 4 exponent bits.</summary>
    Float8E4M3,

    /// <summary>F8_E8M0: an 8-bit power of two.</summary>
    Float8E8M0,

    /// <summary>I16.</summary>
    Int16,

    /// <summary>U16.</summary>
    UInt16,

    /// <summary>F16: IEEE 754 half precision.</summary>
    Float16,

    /// <summary>BF16: the upper half of a float32.</summary>
    BFloat16,

    /// <summary>I32.</summary>
    Int32,

    /// <summary>U32.</summary>
    UInt32,

    /// <summary>F32: IEEE 754 single precision.</summary>
    Float32,

    /// <summary>C64: two float32, the real and the imaginary part.</summary>
    Complex64,

    /// <summary>F64: IEEE 754 double precision.</summary>
    Float64,

    /// <summary>I64.</summary>
    Int64,

    /// <summary>U64.</summary>
    UInt64,
}
