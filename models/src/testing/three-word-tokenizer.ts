// A tokenizer.json that knows pump, valve and red.

const special = ['[CLS]', '[SEP]', '[UNK]'];
const part = (id: string, type_id: number) =>
  id.startsWith('[') ? { SpecialToken: { id, type_id } } : { Sequence: { id, type_id } };
const tokenizer = {
  version: '1.0',
  added_tokens: special.map((content, id) => ({ id, content, special: true, normalized: false })),
  normalizer: { type: 'BertNormalizer', lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: {
    type: 'TemplateProcessing',
    single: [part('[CLS]', 0), part('A', 0), part('[SEP]', 0)],
    pair: [part('[CLS]', 0), part('A', 0), part('[SEP]', 0), part('B', 1), part('[SEP]', 1)],
    special_tokens: {},
  },
  decoder: { type: 'WordPiece', prefix: '##' },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    vocab: { '[CLS]': 0, '[SEP]': 1, '[UNK]': 2, pump: 30, valve: 400, red: 5_000 },
  },
};

export const threeWordTokenizer = new TextEncoder().encode(JSON.stringify(tokenizer));
