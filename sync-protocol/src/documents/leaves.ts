// A document as JSON, and the flat map that replicas hold: JSON pointer (RFC 6901) → JSON text of a value that is no
// object. Two devices that make the same object at once, each with a key of its own, then both keep their key; in a
// nested CRDT one of the two objects would hide the other. It also makes each change legible without the document.
// Pure.

import { err, failure, ok, type Result } from '@skerry/shared/plain';
import { documentBounds } from './document-bounds.ts';

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** Sets one leaf, or deletes it where `json` is undefined. */
export interface Edit {
  readonly path: string;
  readonly json: string | undefined;
}

export type Leaves = ReadonlyMap<string, string>;

/** An object without keys of its own; children may stand beside it. */
const emptyObject = '{}';

/**
 * The edits that a JSON merge patch (RFC 7396) means for a document. Fails with `invalid_argument` for a patch that is
 * no object, and `too_large` beyond the bounds.
 */
export function editsOfPatch(leaves: Leaves, patch: unknown): Result<readonly Edit[]> {
  if (!isObject(patch))
    return err(failure('invalid_argument', 'a merge patch of a document is a JSON object'));
  const after = new Map(leaves);
  const merged = mergeInto(after, '', patch, 0);
  if (!merged.ok) return merged;
  const edits: Edit[] = [];
  for (const [path, json] of after) if (leaves.get(path) !== json) edits.push({ path, json });
  for (const path of leaves.keys()) if (!after.has(path)) edits.push({ path, json: undefined });
  const fit = checkLeaves(after);
  return fit.ok ? ok(edits) : fit;
}

function mergeInto(
  leaves: Map<string, string>,
  path: string,
  patch: JsonObject,
  depth: number,
): Result<void> {
  if (depth >= documentBounds.pathDepthMax)
    return err(failure('too_large', `deeper than ${documentBounds.pathDepthMax}`));
  for (const [key, value] of Object.entries(patch)) {
    const child = `${path}/${escapeKey(key)}`;
    if (value === null) {
      removeUnder(leaves, child);
      leaves.delete(child);
    } else if (isObject(value)) {
      // [DOC2] An object replaces a value that is none, and is merged into one that is.
      if ((leaves.get(child) ?? emptyObject) !== emptyObject) leaves.delete(child);
      if (Object.keys(value).length === 0 && !hasUnder(leaves, child))
        leaves.set(child, emptyObject);
      const merged = mergeInto(leaves, child, value, depth + 1);
      if (!merged.ok) return merged;
      if (!hasUnder(leaves, child)) leaves.set(child, emptyObject);
    } else {
      removeUnder(leaves, child);
      leaves.set(child, JSON.stringify(value));
    }
  }
  // What lost its last key stays an object.
  if (path !== '' && !hasUnder(leaves, path)) leaves.set(path, emptyObject);
  return ok(undefined);
}

/** The document that the leaves are. Where a value and children claim one path, the children win. */
export function jsonOf(leaves: Leaves): JsonObject {
  const root: Record<string, Json> = Object.create(null);
  for (const [path, json] of [...leaves].sort(byPath)) {
    const keys = path.slice(1).split('/').map(unescapeKey);
    const last = keys.pop() ?? '';
    let at = root;
    for (const key of keys) {
      const next = at[key];
      at = isObject(next) ? (next as Record<string, Json>) : newObject(at, key);
    }
    const value = json === emptyObject ? Object.create(null) : (JSON.parse(json) as Json);
    at[last] = value;
  }
  return root;
}

/** [DOC7] Whether leaves may be held: by count, by size expanded, and each by itself. */
export function checkLeaves(leaves: Leaves): Result<void> {
  if (leaves.size > documentBounds.leavesMax)
    return err(failure('too_large', `${leaves.size} leaves, at most ${documentBounds.leavesMax}`));
  let bytes = 0;
  for (const [path, json] of leaves) {
    const checked = checkLeaf(path, json);
    if (!checked.ok) return checked;
    bytes += path.length + json.length;
  }
  return bytes > documentBounds.expandedBytesMax
    ? err(failure('too_large', `${bytes} bytes, at most ${documentBounds.expandedBytesMax}`))
    : ok(undefined);
}

/** A leaf that a peer has written: `json` is JSON text of something that is no object with keys, and not null. */
export function checkLeaf(path: string, json: string): Result<void> {
  const { pathBytesMax, pathDepthMax, valueBytesMax } = documentBounds;
  if (!path.startsWith('/')) return err(failure('malformed_message', 'a leaf without a path'));
  if (path.length > pathBytesMax || path.split('/').length - 1 > pathDepthMax)
    return err(failure('too_large', 'a path is too long or too deep'));
  if (json.length > valueBytesMax)
    return err(failure('too_large', `a value of ${json.length} bytes, at most ${valueBytesMax}`));
  return json === emptyObject || isValue(json)
    ? ok(undefined)
    : err(failure('malformed_message', 'a leaf that is no JSON value'));
}

/** The root key that a path lies under. */
export const rootKeyOf = (path: string): string => unescapeKey(path.split('/')[1] ?? '');

function isValue(json: string): boolean {
  if (depthOf(json) > documentBounds.pathDepthMax) return false;
  try {
    const value: unknown = JSON.parse(json);
    return value !== null && !isObject(value);
  } catch {
    return false;
  }
}

/** How deep brackets nest, those inside strings included: an upper bound, before any parser recurses. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of json) {
    if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth--;
  }
  return deepest;
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function hasUnder(leaves: Leaves, path: string): boolean {
  const prefix = `${path}/`;
  for (const other of leaves.keys()) if (other.startsWith(prefix)) return true;
  return false;
}

function removeUnder(leaves: Map<string, string>, path: string): void {
  const prefix = `${path}/`;
  for (const other of [...leaves.keys()]) if (other.startsWith(prefix)) leaves.delete(other);
}

function newObject(at: Record<string, Json>, key: string): Record<string, Json> {
  const made: Record<string, Json> = Object.create(null);
  at[key] = made;
  return made;
}

const byPath = ([a]: readonly [string, string], [b]: readonly [string, string]): number =>
  a < b ? -1 : a > b ? 1 : 0;

/** RFC 6901 §3. */
const escapeKey = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');
const unescapeKey = (key: string): string => key.replaceAll('~1', '/').replaceAll('~0', '~');
