// What each document that comes in is compared with, kept between them: of the source that brings them its sketches, and
// of all how near they are. It is of one state of the collection; what changes otherwise than by one more document is read
// again. [LIB60]

import type Database from 'better-sqlite3';
import type { IntakeChecks, PreparedDocument, SketchOf } from '../retrieve/collection-file.ts';
import { sourceOf } from '../retrieve/passage.ts';
import { copyOf, sourceColumn } from './sqlite-collection-documents.ts';

interface Sketched extends SketchOf {
  readonly addedMs: number;
}

/** Of whom the last one came. */
interface OfSource {
  readonly source: string;
  readonly sinceMs: number;
  readonly count: number;
  /** The newest first. */
  readonly sketched: Sketched[];
}

export interface IntakeMemory {
  sketches(source: string, sinceMs: number, count: number): readonly SketchOf[];
  nearestScores(count: number): readonly number[];
  /** It was put, in the place of none; the collection's next state. */
  added(document: PreparedDocument, addedMs: number): void;
}

export function createIntakeMemory(
  database: Database.Database,
  revision: () => number,
): IntakeMemory {
  const readSketches = database.prepare<
    [string, number, number],
    { uri: string; sketch: Buffer; addedMs: number }
  >(
    `SELECT document.uri, intake.sketch, document.added_ms AS addedMs
     FROM document JOIN intake ON intake.document = document.id
     WHERE document.current = 1 AND intake.sketch IS NOT NULL
       AND ${sourceColumn} = ? AND document.added_ms >= ?
     ORDER BY document.added_ms DESC, document.id DESC LIMIT ?`,
  );
  const readScores = database
    .prepare<[number], number>(
      `SELECT intake.nearest FROM intake JOIN document ON document.id = intake.document
       WHERE document.current = 1 AND intake.nearest IS NOT NULL ORDER BY document.id DESC LIMIT ?`,
    )
    .pluck();
  let state = -1;
  let ofSource: OfSource | undefined;
  let scores: { readonly count: number; readonly newest: number[] } | undefined;

  const catchUp = (): void => {
    const now = revision();
    if (now === state) return;
    state = now;
    ofSource = undefined;
    scores = undefined;
  };

  return {
    sketches(source, sinceMs, count) {
      catchUp();
      const isOf = ofSource?.source === source && ofSource.count === count;
      if (ofSource === undefined || !isOf || sinceMs < ofSource.sinceMs) {
        const read = readSketches.all(source, sinceMs, count);
        const sketched = read.map(({ sketch, ...rest }) => ({
          ...rest,
          sketch: new Uint32Array(copyOf(sketch)),
        }));
        ofSource = { source, sinceMs, count, sketched };
      }
      return ofSource.sketched.filter(({ addedMs }) => addedMs >= sinceMs);
    },
    nearestScores(count) {
      catchUp();
      if (scores?.count !== count) scores = { count, newest: readScores.all(count) };
      return scores.newest;
    },
    added({ source, checks }, addedMs) {
      if (revision() !== state + 1) return;
      state += 1;
      const { sketch, nearest }: Partial<IntakeChecks> = checks ?? {};
      if (ofSource?.source === sourceOf(source) && sketch !== undefined)
        push(ofSource.sketched, { uri: source.uri, sketch, addedMs }, ofSource.count);
      if (scores !== undefined && nearest !== undefined) push(scores.newest, nearest, scores.count);
    },
  };
}

/** To the front; the oldest goes. */
function push<T>(newest: T[], one: T, countMax: number): void {
  newest.unshift(one);
  if (newest.length > countMax) newest.pop();
}
