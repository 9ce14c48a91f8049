// A turn of a conversation with a library, as it travels where a device's owner wants that; and the word that turns are to
// be forgotten, wherever they are. Both say the same in any order and however often: turns are a set, what is gone another.

import { digestSchema } from '@skerry/shared';
import { z } from 'zod';
import {
  quoteCharactersMax,
  quoteHeadingCharactersMax,
  quoteTitleCharactersMax,
  saidCharactersMax,
} from './question.ts';

export const conversationIdSchema = z
  .string()
  .regex(/^[\w.:-]{1,64}$/, 'expected 1 to 64 letters, digits, . : - _');
export const conversationReaderSchema = z.string().max(128);

/** Of a turn that travels: longer ones stay where they are. */
export const turnQuestionCharactersMax = 8_000;
export const turnCitationsMax = 16;
export const turnDocumentsMax = 64;
const unverifiedMax = 64;
/** Of one word that some are gone. */
export const forgottenTurnsMax = 256;

const turnIdSchema = z.string().min(1).max(64);

const travels = {
  /** With whom it is shared: copies of this device's own, or its site's devices. */
  share: z.enum(['device', 'site']),
  /** Whose it is, as the app has named them. Empty: nobody's in particular. */
  reader: conversationReaderSchema,
  conversation: conversationIdSchema,
};

const documentShape = { collection: z.string().min(1).max(64), uri: z.string().min(1).max(512) };

const citationSchema = z.strictObject({
  ...documentShape,
  title: z.string().max(quoteTitleCharactersMax),
  heading: z.string().max(quoteHeadingCharactersMax),
  version: z.int().nonnegative(),
  /** Of the document's bytes. */
  digest: digestSchema,
  start: z.int().nonnegative(),
  end: z.int().positive(),
  text: z.string().max(quoteCharactersMax),
  page: z.int().positive().optional(),
  number: z.int().positive().optional(),
});

const isSomebodys = ({ share, reader }: { readonly share: string; readonly reader: string }) =>
  share === 'device' || reader !== '';
const nobodys = 'a conversation of nobody in particular stays on its device';

/** Up. */
export const turnSchema = z
  .strictObject({
    kind: z.literal('turn'),
    ...travels,
    /** Unique over all devices and time. */
    turn: turnIdSchema,
    /** Behind the turn that it goes on from, whatever the clock says. */
    atMs: z.number().nonnegative(),
    question: z.string().min(1).max(turnQuestionCharactersMax),
    said: z.strictObject({
      text: z.string().max(saidCharactersMax),
      citations: z.array(citationSchema).max(turnCitationsMax),
      unverified: z.array(z.string().max(quoteCharactersMax)).max(unverifiedMax),
    }),
    /** Who has said it. */
    source: z.string().max(256),
    /** Documents that it was given to say it from. */
    read: z.array(z.strictObject(documentShape)).max(turnDocumentsMax),
  })
  .refine(isSomebodys, nobodys);
export type WireTurn = z.infer<typeof turnSchema>;

/** Up, and down to whoever holds copies. */
export const forgetSchema = z
  .strictObject({
    kind: z.literal('forget'),
    ...travels,
    gone: z.discriminatedUnion('what', [
      /** The conversation, up to then: what was said later is another of its name. */
      z.strictObject({ what: z.literal('until'), atMs: z.number().nonnegative() }),
      z.strictObject({
        what: z.literal('turns'),
        turns: z.array(turnIdSchema).min(1).max(forgottenTurnsMax),
      }),
    ]),
  })
  .refine(isSomebodys, nobodys);
export type Forget = z.infer<typeof forgetSchema>;

/** Turns of one conversation, as a device is given them. */
export const turnsSchema = z.object({ turns: z.array(turnSchema).max(1_000) });
