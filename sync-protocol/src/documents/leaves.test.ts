import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { documentBounds } from './document-bounds.ts';
import { checkLeaf, editsOfPatch, type Json, type JsonObject, jsonOf } from './leaves.ts';
import { planReplay } from './replay.ts';

function patched(leaves: ReadonlyMap<string, string>, patch: unknown) {
  const edits = editsOfPatch(leaves, patch);
  if (!edits.ok) throw new Error(edits.error.message);
  const after = new Map(leaves);
  for (const { path, json } of edits.value)
    if (json === undefined) after.delete(path);
    else after.set(path, json);
  return after;
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** RFC 7396 §2, as it is written there. */
function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: Record<string, Json> = { ...(isObject(target) ? target : {}) };
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  return result;
}

const key = fc.constantFrom('a', 'b', 'c/d', '~1', '', '__proto__x');
const { document } = fc.letrec<{ value: Json; document: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<Json>(null, 1, 'x', true, [1, [2]], -0.5),
    tie('document'),
  ),
  document: fc.dictionary(key, tie('value'), { maxKeys: 3 }),
}));

describe('leaves', () => {
  it('[DOC2] a patch does what RFC 7396 says, on any document', () => {
    fc.assert(
      fc.property(fc.array(document, { minLength: 1, maxLength: 5 }), (patches) => {
        let leaves: ReadonlyMap<string, string> = new Map();
        let expected: Json = {};
        for (const patch of patches) {
          leaves = patched(leaves, patch);
          expected = mergePatch(expected, patch);
          expect(JSON.parse(JSON.stringify(jsonOf(leaves)))).toEqual(
            JSON.parse(JSON.stringify(expected)),
          );
        }
      }),
    );
  });

  it('[DOC2] a patch that is no object is refused; a prototype is a key like another', () => {
    for (const patch of [1, null, [], 'x', undefined])
      expect(editsOfPatch(new Map(), patch)).toMatchObject({ error: { code: 'invalid_argument' } });
    const leaves = patched(new Map(), JSON.parse('{"__proto__":{"polluted":1}}'));
    expect(JSON.stringify(jsonOf(leaves))).toBe('{"__proto__":{"polluted":1}}');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('[DOC7] each bound is exceeded and refused', () => {
    const { leavesMax, valueBytesMax, pathDepthMax, pathBytesMax, expandedBytesMax } =
      documentBounds;
    const wide = Object.fromEntries(Array.from({ length: leavesMax + 1 }, (_, i) => [i, 1]));
    const deep = JSON.parse(`${'{"a":'.repeat(pathDepthMax + 1)}1${'}'.repeat(pathDepthMax + 1)}`);
    const values = Math.ceil(expandedBytesMax / (valueBytesMax - 10));
    const large = Object.fromEntries(
      Array.from({ length: values + 1 }, (_, i) => [i, 'x'.repeat(valueBytesMax - 10)]),
    );
    const patches = [
      wide,
      deep,
      { a: 'x'.repeat(valueBytesMax) },
      { ['k'.repeat(pathBytesMax)]: 1 },
      large,
    ];
    for (const patch of patches)
      expect(editsOfPatch(new Map(), patch)).toMatchObject({ error: { code: 'too_large' } });
  });

  it('[DOC7] a leaf that is no JSON value is refused, and one that nests too deep', () => {
    for (const json of ['', '{', 'null', '{"a":1}', '['.repeat(40) + ']'.repeat(40)])
      expect(checkLeaf('/a', json)).toMatchObject({ error: { code: 'malformed_message' } });
    expect(checkLeaf('a', '1')).toMatchObject({ error: { code: 'malformed_message' } });
    expect(checkLeaf('/a', '[1]').ok).toBe(true);
  });

  it('[DOC10] a replay makes own edits alone, and shows where both have written', () => {
    const base = new Map([
      ['/kept', '1'],
      ['/gone', '1'],
      ['/both', '1'],
      ['/own', '1'],
      ['/dropped', '1'],
    ]);
    const theirs = new Map([...base, ['/both', '3'], ['/relayed', '7']]);
    theirs.delete('/gone');
    const edit = (json: string | undefined, beside = false, upon: string[] = []) => {
      return { json, beside, upon };
    };
    const own = new Map([
      ['/both', edit('2')],
      ['/own', edit('2')],
      ['/new', edit('2')],
      ['/dropped', edit(undefined)],
      ['/kept', edit('9', true)],
      ['/gone', edit('1')],
      ['/relayed', edit(undefined, false, ['7'])],
    ]);
    expect(planReplay(own, base, theirs)).toEqual({
      plain: [
        { path: '/own', json: '2' },
        { path: '/new', json: '2' },
        { path: '/dropped', json: undefined },
        { path: '/relayed', json: undefined },
      ],
      concurrent: [
        { path: '/both', json: '2' },
        { path: '/kept', json: '9' },
      ],
    });
  });
});
