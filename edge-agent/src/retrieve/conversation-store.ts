// Conversations with the library, as they are kept on the device. Port; its adapter shares the agent's database.

import type { Result } from '@skerry/shared';
import type { Forget, WireTurn } from '@skerry/sync-protocol';
import type { CheckedSaid } from './check-sentences.ts';
import type { QuotedDocument } from './erase-document.ts';

/** Whose it is, and its name among theirs: nobody else's has the same. */
export interface ConversationKey {
  /** Empty: of whoever says nothing of who asks. */
  readonly reader: string;
  readonly id: string;
}

/** With whom its turns are shared. */
export type Share = WireTurn['share'];

export interface Turn {
  /** Unique over all devices and time. */
  readonly id: string;
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

export interface ForgottenTurns {
  readonly turns: number;
  /** Of them those of which there are copies elsewhere, which are to be forgotten too. */
  readonly shared: number;
}

export interface ConversationStore {
  /** The newest so many, oldest first; none of one that is not there. */
  turns(key: ConversationKey, turnsMax: number): readonly KeptTurn[];
  /**
   * Behind the last one of it, and what is gone of it: that may move its time. Keeps within its bounds: of this conversation,
   * of all of them, of age.
   */
  append(key: ConversationKey, turn: Turn): Result<void>;
  /** A reader's, the newest first. */
  list(reader: string): readonly ConversationSummary[];
  /** With all its bytes. False: there was none. */
  remove(key: ConversationKey): Result<boolean>;
  /** Turns that cite the document, were said with it in hand, or were asked again with its passages: gone, with their bytes. */
  forget(document: QuotedDocument): Result<ForgottenTurns>;
  /** Where it is shared: what others have said of it is here then, as far as it can be had now. */
  bring?(key: ConversationKey): Promise<void>;
}

/** A turn of which there are copies elsewhere. */
export interface SharedTurn {
  readonly key: ConversationKey;
  readonly id: string;
  readonly share: Share;
}

/** The same, where turns are shared. */
export interface SharingConversationStore extends Omit<ConversationStore, 'append' | 'bring'> {
  /** As it is kept. */
  append(key: ConversationKey, turn: Turn, share: Share | undefined): Result<Turn>;
  /** What others have said: those that are not here, and are not gone. */
  merge(key: ConversationKey, turns: readonly Turn[], share: Share): Result<void>;
  sharesOf(key: ConversationKey): readonly Share[];
  quoting(document: QuotedDocument): readonly SharedTurn[];
  /**
   * They go, and are not taken again; how many there were. May be part of a transaction: their bytes are gone with `flush`.
   */
  drop(key: ConversationKey, gone: Forget['gone']): number;
  /** Fails with `storage_failed` where somebody who reads the file keeps them. */
  flush(): Result<void>;
}
