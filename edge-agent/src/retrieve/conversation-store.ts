// Conversations with the library, as they are kept on the device. Port; its adapter shares the agent's database.

import type { Result } from '@skerry/shared';
import type { CheckedSaid } from './check-sentences.ts';
import type { QuotedDocument } from './erase-document.ts';

/** Whose it is, and its name among theirs: nobody else's has the same. */
export interface ConversationKey {
  /** Empty: of whoever says nothing of who asks. */
  readonly reader: string;
  readonly id: string;
}

export interface Turn {
  /** As it was asked; what it goes on from is in the turns before. */
  readonly question: string;
  readonly said: CheckedSaid;
  /** Who has said it: `library`, or the source of a text. */
  readonly source: string;
  /** That it was given to say it from, where it is not the library itself: its words may be theirs, also where it cites none. */
  readonly read?: readonly { readonly collection: string; readonly uri: string }[];
  readonly atMs: number;
  /** By this id a better answer comes, or has come; it was asked for with passages of these documents. */
  readonly later?: {
    readonly requestId: string;
    readonly documents: readonly { readonly collection: string; readonly digest: string }[];
  };
}

/** As it is kept: its number is its own for ever, whatever goes before it. */
export interface KeptTurn extends Turn {
  readonly number: number;
}

export interface ConversationSummary {
  readonly id: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly turns: number;
}

export interface ConversationStore {
  /** The newest so many, oldest first; none of one that is not there. */
  turns(key: ConversationKey, turnsMax: number): readonly KeptTurn[];
  /** Keeps within its bounds: of this conversation, of all of them, of age. */
  append(key: ConversationKey, turn: Turn): Result<void>;
  /** A reader's, the newest first. */
  list(reader: string): readonly ConversationSummary[];
  /** With all its bytes. False: there was none. */
  remove(key: ConversationKey): Result<boolean>;
  /** Turns that cite the document, were said with it in hand, or were asked again with its passages: gone, with their bytes; how many. */
  forget(document: QuotedDocument): Result<number>;
}
