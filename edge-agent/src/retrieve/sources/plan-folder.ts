// What a look at a folder calls for: pure. A file is taken once it has stood still, and goes once it has been missing for
// twice as long: who saves a file by putting a new one in its place has it missing for a moment. [LIB42]

import type { SourceEntry } from './source-store.ts';

export interface SeenFile {
  /** Its path in the folder, with `/`. */
  readonly path: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

export interface FolderLook {
  readonly files: readonly SeenFile[];
  /** Not all was seen: of what was not, nothing is known. */
  readonly cut?: string;
}

/** What earlier looks have seen. */
export interface FolderMemory {
  /** By path: how it looked, and since when. */
  readonly settling: ReadonlyMap<string, { readonly stamp: string; readonly sinceMs: number }>;
  /** By path: since when it is not there. */
  readonly missing: ReadonlyMap<string, number>;
}

export interface FolderPlan {
  readonly take: readonly SeenFile[];
  readonly drop: readonly string[];
  readonly memory: FolderMemory;
  /** Something stands still soon. */
  readonly waits: boolean;
  /** All that was there has gone at once: it is not believed. */
  readonly emptied: boolean;
}

export const emptyMemory: FolderMemory = { settling: new Map(), missing: new Map() };

export const stampOf = ({ bytes, mtimeMs }: SeenFile): string => `${bytes}:${mtimeMs}`;

export function planFolder(
  { files, cut }: FolderLook,
  entries: readonly SourceEntry[],
  memory: FolderMemory,
  {
    nowMs,
    settleMs,
    terms,
  }: { readonly nowMs: number; readonly settleMs: number; readonly terms: string },
): FolderPlan {
  const known = new Map(entries.map((entry) => [entry.key, entry]));
  const take: SeenFile[] = [];
  const settling = new Map<string, { stamp: string; sinceMs: number }>();
  for (const file of files) {
    const stamp = stampOf(file);
    const there = known.get(file.path);
    if (there?.stamp === stamp && there.terms === terms) continue;
    const before = memory.settling.get(file.path);
    const sinceMs = before?.stamp === stamp ? before.sinceMs : nowMs;
    if (nowMs - sinceMs >= settleMs) take.push(file);
    else settling.set(file.path, { stamp, sinceMs });
  }
  const seen = new Set(files.map(({ path }) => path));
  const gone = entries.filter(({ key }) => !seen.has(key));
  // A disk that is missing looks like an empty folder.
  const emptied = files.length === 0 && gone.length > 1;
  const drop: string[] = [];
  const missing = new Map<string, number>();
  if (cut === undefined && !emptied)
    for (const { key } of gone) {
      const sinceMs = memory.missing.get(key) ?? nowMs;
      if (nowMs - sinceMs >= 2 * settleMs) drop.push(key);
      else missing.set(key, sinceMs);
    }
  const waits = settling.size > 0 || missing.size > 0;
  return { take, drop, memory: { settling, missing }, waits, emptied };
}
