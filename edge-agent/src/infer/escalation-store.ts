// What became of every question this device has passed on. Port; its adapter shares the outbox's transactions,
// so an escalation and its record, or an answer and its delivery, are written both or not at all.

import type { Answer } from '@skerry/sync-protocol';

export interface LocalAnswer {
  readonly exit: number;
  readonly label: number;
  readonly confidence: number;
}

/** How the better answer reached the app: still awaited, with the request itself, or on the answers stream. */
export type Delivery = 'open' | 'in-time' | 'late';

export interface EscalationRecord {
  readonly requestId: string;
  /** The app's own id, where it gave one. */
  readonly clientId?: string;
  readonly model: string;
  readonly version: string;
  readonly appendedMs: number;
  readonly local: LocalAnswer;
  readonly delivery: Delivery;
  readonly answer?: Answer['outcome'];
  /** Rises with each answer that came: the id of an event on the stream. */
  readonly settled?: number;
}

export interface EscalationStore {
  open(record: Omit<EscalationRecord, 'delivery' | 'answer' | 'settled'>): void;
  /** Records the answer once; false for a second one to the same request, or one to a stranger: nothing changes. */
  settle(answer: Answer, delivery: 'in-time' | 'late'): boolean;
  /** By our request id, or the app's own (the newest, where it used one twice). */
  get(id: string): EscalationRecord | undefined;
  /** Late answers with `settled` > `after`, oldest first. */
  lateAfter(after: number, recordsMax: number): readonly EscalationRecord[];
  /** The newest `settled`; 0 before the first. */
  lastSettled(): number;
}
