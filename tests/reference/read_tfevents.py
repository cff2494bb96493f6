"""Reads a TensorBoard event file and prints its events as JSON: an independent reader, by the format's description alone.

A record is: length (uint64), masked CRC-32C of the length, data, masked CRC-32C of the data, all little-endian. The data is an Event message of
protobuf: wall_time = 1 (double), step = 2 (int64), file_version = 3 (string), summary = 5 { value = 1 { tag = 1, simple_value = 2 (float) } },
session_log = 7 { status = 1 }.

    python3 read_tfevents.py FILE
"""
import json
import struct
import sys


def crc32c(data):
    """Bit by bit, with Castagnoli's polynomial, reflected."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283  # the check value of RFC 3720's CRC


def masked(data):
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length
        elif kind == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        else:
            raise ValueError(f"wire type {kind}")
        yield number, value


def event(data):
    result = {"step": 0, "values": {}}
    for number, value in fields(data):
        if number == 1:
            result["wall_time"] = value
        elif number == 2:
            result["step"] = value
        elif number == 3:
            result["file_version"] = value.decode()
        elif number == 5:
            for _, item in fields(value):
                parts = dict(fields(item))
                result["values"][parts[1].decode()] = parts[2]
        elif number == 7:
            result["session_status"] = dict(fields(value))[1]
    return result


def records(path):
    with open(path, "rb") as file:
        while header := file.read(12):
            length, check = struct.unpack("<QI", header)
            assert check == masked(header[:8]), "the checksum of a length"
            data = file.read(length)
            assert struct.unpack("<I", file.read(4))[0] == masked(data), "the checksum of a record"
            yield data


print(json.dumps([event(data) for data in records(sys.argv[1])]))
