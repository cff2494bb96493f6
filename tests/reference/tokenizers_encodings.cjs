// Encodings by Hugging Face's tokenizers (npm package `tokenizers`, 0.23.2): the oracle of the encoder's tests.
//
// Puts the "many scripts" vocabulary of fixtures/bpe_training.json into that library, saves its tokenizer.json as it writes it, and
// encodes and decodes texts with it. `npm install --ignore-scripts tokenizers@0.23.2`, then
// `node tokenizers_encodings.cjs > fixtures/tokenizers_encodings.json`.
const fs = require('fs')
const os = require('os')
const path = require('path')
const { AddedToken, BPE, Tokenizer, byteLevelPreTokenizer, byteLevelProcessing } = require('tokenizers')

const END = '<|endoftext|>'
const trained = JSON.parse(fs.readFileSync(path.join(__dirname, 'fixtures/bpe_training.json'))).find((c) => c.name === 'many scripts')
const tokenizer = new Tokenizer(BPE.init(Object.fromEntries(trained.tokens.map((token, id) => [token, id])), trained.merges))
tokenizer.setPreTokenizer(byteLevelPreTokenizer(false, true))
tokenizer.setPostProcessor(byteLevelProcessing(true))
// <|end|> and <|end|>> begin alike: the longer one wins.
tokenizer.addAddedTokens([END, '<|user|>', '<|end|>', '<|end|>>', '<|schön|>'].map((token) => new AddedToken(token, true)))

const file = path.join(os.tmpdir(), `tokenizer-${process.pid}.json`)
tokenizer.save(file, true)
const json = JSON.parse(fs.readFileSync(file, 'utf8'))
fs.unlinkSync(file)
json.decoder = { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true } // Node's binding has no constructor for it
const decoding = Tokenizer.fromString(JSON.stringify(json))

const texts = [
  ...trained.texts,
  '', ' ', '\n', '\t\t', '  a', 'a  ', " 's", "'", "''s", "'sa 'S 'LL 'll", "I'd've", 'a\u00a0\u00a0b', '\u3000\u3000\u3000', ' \u2028 x', '\r\n \r\n', 'x \n\n y',
  `${END}`, `a${END}`, ` ${END} `, `${END}${END}`, 'x  <|user|>  y', '<|user|', '<|end|>', '<|end|>>', '<|end|>>>', '<|schön|>!', "it's<|end|>'s",
  '中𠀀', '𠀀中', ' 𠀀', '𝐀b𝐂', '1𝟏½', 'a𝟏', '👍', ' 👍', '👍a', 'é', 'e\u0301', '\u0301', ' \u0301x',
  '\u{10ffff}', '\ufeffa', '\u0000\u0000', '\u200b', '\u0085', 'a\u0085b', '\u001c', '\u180e', 'aªº', '²³', '_a_', 'ⅷⅧ', 'ʼs',
  'a'.repeat(1000), '='.repeat(333), ' '.repeat(257) + 'x', '👩‍👩‍👧‍👦'.repeat(20),
]

async function main() {
  const encodings = []
  for (const text of texts) {
    const ids = (await decoding.encode(text)).getIds()
    encodings.push({ text, ids, decoded: await decoding.decode(ids, false), skipped: await decoding.decode(ids, true) })
  }

  // Byte sequences that are no UTF-8: tokens of single bytes, cut characters.
  const id = (token) => json.model.vocab[token]
  for (const tokens of [['ð'], ['ð', 'Ł'], ['Ł'], ['a', 'ð', 'Ł', 'b'], ['Ã'], ['Ã', '©'], ['ÿ'], ['í', 'ł', 'Ģ'], ['À', 'Ģ'], ['â', 'Ĥ', 'a', '¬']]) {
    const ids = tokens.map(id)
    encodings.push({ text: null, ids, decoded: await decoding.decode(ids, false), skipped: await decoding.decode(ids, true) })
  }

  const ascii = (text) => text.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
  console.log(ascii(JSON.stringify({ tokenizer: json, encodings })).replaceAll('},{"text"', '},\n{"text"'))
}

main()
