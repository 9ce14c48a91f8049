// A source at work, and how it stands.

export interface SourceState {
  readonly name: string;
  readonly kind: string;
  readonly collection: string;
  /** `looking`: at work. `away`: cannot be read now. */
  readonly state: 'starting' | 'looking' | 'waiting' | 'away';
  readonly reason?: string;
  /** When it was last read. */
  readonly lastMs?: number;
  /** What came and was not kept, since the start: there was no room, or it was no document. */
  readonly dropped?: number;
}

export interface RunningSource {
  state(): SourceState;
  close(): Promise<void>;
}

/** After something that may be tried again. */
export const retryMs = 10_000;
