// A device's frame at the hub: judged, taken into the replica or refused, and answered. What is refused for its content is
// kept, with the reason; what cannot be taken now is shown again by its sender.

import { type Clock, type Log, ok, type Result } from '@skerry/shared';
import type { DocumentChange } from '../messages.ts';
import { type DocumentScope, parseDocumentId, writableBy } from './document.ts';
import { type Content, type Heads, isRefusal } from './engine.ts';
import type { Epochs } from './epochs.ts';
import {
  type DigestOf,
  decodeFrame,
  type Frame,
  type FrameContent,
  joinParts,
  withPart,
} from './frame.ts';
import type { DocumentLog } from './log.ts';
import type { MemberState, Members } from './members.ts';
import type { News } from './news.ts';
import type { DocumentState, Replica } from './replica.ts';

export interface ReceiveFramePorts {
  readonly replica: Pick<Replica, 'state' | 'known' | 'integrate' | 'join'>;
  readonly log: Pick<DocumentLog, 'quarantine'>;
  readonly digestOf: DigestOf;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly trace: Log;
  /** A frame was refused. Must not throw. */
  readonly onRefused?: (document: string, device: string, reason: string) => void;
}

export interface ReceiveFrameParts {
  readonly members: Members;
  readonly news: Pick<News, 'tell'>;
  readonly epochs: Pick<Epochs, 'catchUp'>;
  /** Before anything is taken: it shall not become part of a past that goes. */
  readonly leaveOldPast: (document: string, except: string) => Promise<void>;
  /** To all others, if the document has moved on from `before`. */
  readonly passOn: (document: string, before: Heads, except: string) => Promise<void>;
}

type Shown = Content | { readonly kind: 'nothing' };

/** More heads than this are joined into one by a change without edits. */
const headsJoinedMin = 64;

/** One frame of a document at a time. */
export function createReceiveFrame(
  { replica, log, digestOf, clock, trace, onRefused }: ReceiveFramePorts,
  { members, news, epochs, leaveOldPast, passOn }: ReceiveFrameParts,
  partialsMax: number,
  isRelay: boolean,
): (device: string, op: DocumentChange) => Promise<void> {
  const collect = createCollector(digestOf, partialsMax);

  const quarantine = async (
    document: string,
    device: string,
    reason: string,
    bytes: Uint8Array,
  ): Promise<void> => {
    trace.warn({ document, device, reason }, 'a document frame was refused');
    onRefused?.(document, device, reason);
    await log.quarantine({ document, source: device, reason, bytes, atMs: clock.nowMs() });
  };

  /** The frame and its document's scope, where it is whole and its sender's to show. */
  const judge = async (
    device: string,
    op: DocumentChange,
  ): Promise<{ readonly frame: Frame; readonly scope: DocumentScope } | undefined> => {
    const { document } = op;
    const refuse = async (reason: string): Promise<undefined> => {
      await quarantine(document, device, reason, op.frame);
      return undefined;
    };
    const decoded = decodeFrame(op.frame, digestOf);
    // Not answered: whatever its sender has, it shows again.
    if (!decoded.ok) return refuse(decoded.error.message);
    const id = parseDocumentId(document);
    if (decoded.value.document !== document || id === undefined)
      return refuse('a frame of another document');
    const shares = await members.mayShare(document, device);
    if (!shares.ok) {
      trace.error({ document, code: shares.error.code }, shares.error.message);
      return undefined;
    }
    if (shares.value) return { frame: decoded.value, scope: id.scope };
    await members.leave(document, device);
    return refuse(`not a document of this device${id.scope === 'site' ? '’s site' : ''}`);
  };

  /** What a frame is to be taken into, which is of its epoch or a later one; none where it must be shown again. */
  const stateFor = async (
    { document, epoch }: Frame,
    member: MemberState,
    bytes: Uint8Array,
  ): Promise<DocumentState | undefined> => {
    let state = await replica.state(document);
    if (isRelay && state.ok && epoch !== state.value.epoch) {
      // [RLY4] Until the one behind has heard the coordinator there is nothing to say.
      trace.info({ document, device: member.device, epoch }, 'a neighbour in another epoch');
      await members.store({ ...member, epoch, heads: [], dirty: true });
      return undefined;
    }
    if (state.ok && epoch > state.value.epoch) {
      state = await epochs.catchUp(document, epoch);
      if (!state.ok && state.error.code === 'malformed_message') {
        await quarantine(document, member.device, state.error.message, bytes);
        return undefined;
      }
    }
    if (state.ok) return epoch > state.value.epoch ? undefined : state.value;
    trace.error({ document, code: state.error.code }, state.error.message);
    return undefined;
  };

  /** Whether all of it is in; false where something is missing that it builds on. */
  const integrate = async (
    { document, heads }: Frame,
    content: Shown,
    scope: DocumentScope,
  ): Promise<Result<boolean>> => {
    if (content.kind === 'nothing') {
      const known = await replica.known(document, heads);
      return known.ok ? ok(known.value.length === heads.length) : known;
    }
    const done = await replica.integrate(document, content, heads, writableBy('device', scope));
    if (done.ok && done.value.heads.length > headsJoinedMin) await replica.join(document);
    return done.ok ? ok(!done.value.missing) : done;
  };

  /** What its sender has, once what was taken of a frame is answered. */
  const afterwards = async (
    { document, heads, epoch }: Frame,
    whole: boolean,
    member: MemberState,
  ): Promise<MemberState> => {
    const known = whole ? heads : await orEmpty(replica.known(document, heads));
    const now = members.get(document, member.device) ?? member;
    const isUnderWay = now.position > 0 && now.epoch === epoch;
    return {
      ...now,
      epoch,
      // What is still on its way to it need not be sent again.
      heads: isUnderWay ? [...new Set([...known, ...now.heads])] : known,
      ...(whole ? { basisEpoch: epoch, basis: heads } : {}),
    };
  };

  return async (device, op) => {
    const judged = await judge(device, op);
    if (judged === undefined) return;
    const { frame, scope } = judged;
    const { document, epoch } = frame;
    const content = collect(device, frame);
    if (content === undefined) return;
    const joined = await members.join(document, device, epoch);
    if (!joined.ok)
      return trace.warn({ document, device, code: joined.error.code }, 'not a member');
    await leaveOldPast(document, device);
    const state = await stateFor(frame, joined.value, op.frame);
    if (state === undefined) return;
    const member = members.get(document, device) ?? joined.value;
    const basis = member.basisEpoch === epoch ? [...member.basis] : [];
    if (epoch < state.epoch) return news.tell(member, frame.id, { basis });
    const taken = await integrate(frame, content, scope);
    if (!taken.ok) {
      if (!isRefusal(taken.error)) return; // Not the content's fault: its sender shows it again.
      await quarantine(document, device, taken.error.message, op.frame);
      if (isRelay) return; // [RLY3]
      return news.tell(member, frame.id, { basis, refused: taken.error.message.slice(0, 256) });
    }
    await news.tell(await afterwards(frame, taken.value, member), frame.id);
    await passOn(document, state.heads, device);
  };
}

/** The content of a frame, once all of its parts are here. Of at most `partialsMax` saves some parts wait. */
function createCollector(
  digestOf: DigestOf,
  partialsMax: number,
): (device: string, frame: Frame) => Shown | undefined {
  const partials = new Map<string, FrameContent[]>();
  return (device, { document, content }) => {
    if (content.kind !== 'part') return content;
    const key = `${device} ${document}`;
    const parts = withPart(partials.get(key) ?? [], content);
    partials.delete(key);
    const save = joinParts(parts, digestOf);
    if (save.ok && save.value !== undefined) return { kind: 'save', save: save.value };
    if (save.ok) partials.set(key, parts);
    const [oldest] = partials.keys();
    if (partials.size > partialsMax && oldest !== undefined) partials.delete(oldest);
    return undefined;
  };
}

async function orEmpty(known: Promise<Result<Heads>>): Promise<Heads> {
  const result = await known;
  return result.ok ? result.value : [];
}
