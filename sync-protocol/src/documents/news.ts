// What a member is told: what it lacks, or the whole in place of what it has. At most one piece is under way to each:
// whoever has not said yet that it took the last is only nudged, and told all at once when it has.

import { type Log, ok, type Result } from '@skerry/shared';
import type { DocumentChange } from '../messages.ts';
import {
  contentOf,
  type DigestOf,
  encodeFrame,
  type Frame,
  type FrameContent,
  partsOf,
} from './frame.ts';
import type { Member, MemberState, Members } from './members.ts';
import { type Replica, sameHeads } from './replica.ts';

export interface NewsPorts {
  readonly replica: Pick<Replica, 'state' | 'since' | 'save'>;
  /** Appends a down op; returns its position. */
  readonly append: (device: string, body: DocumentChange) => Promise<Result<number>>;
  /** There is news for a device that has not said yet whether it took the last: ask it to exchange. */
  readonly nudge?: (device: string) => void;
  readonly digestOf: DigestOf;
  readonly trace: Log;
}

export interface News {
  /** Nothing is appended where there is no news, and no question that it `answers`: a frame's id. */
  tell(member: MemberState, answers?: number, replaces?: Frame['replaces']): Promise<void>;
  /** Tells a member the news, as long as the document is its own: it may have been moved to another site. [DOC15] */
  inform(member: MemberState): Promise<void>;
  toAll(document: string, except?: string): Promise<void>;
}

export function createNews(
  { replica, append, nudge, digestOf, trace }: NewsPorts,
  members: Members,
  isRelay: boolean,
): News {
  const contentFor = async (
    { document, heads }: Member,
    whole: boolean,
  ): Promise<Result<readonly FrameContent[]>> => {
    const save = () => replica.save(document);
    if (!whole) {
      const changes = await replica.since(document, heads);
      return changes.ok ? contentOf(changes.value, save, digestOf) : changes;
    }
    const saved = await save();
    return saved.ok ? partsOf(saved.value, digestOf) : saved;
  };

  /** The position of the last, or why one was not appended. */
  const appendAll = async (
    { document, device, position }: Member,
    contents: readonly FrameContent[],
    frame: Omit<Frame, 'document' | 'id' | 'content'>,
  ): Promise<Result<number>> => {
    let last: Result<number> = ok(position);
    for (const content of contents) {
      const encoded = encodeFrame({ document, id: 0, ...frame, content }, digestOf);
      if (!encoded.ok) return encoded;
      last = await append(device, { kind: 'document-change', document, frame: encoded.value });
      if (!last.ok) return last;
    }
    return last;
  };

  const tell: News['tell'] = async (member, answers, replaces) => {
    const { document, device } = member;
    const state = await replica.state(document);
    if (!state.ok) return trace.error({ document, code: state.error.code }, state.error.message);
    const { epoch, heads } = state.value;
    if (isRelay && member.epoch !== epoch) return members.remember({ ...member, dirty: true });
    const replacing = replaces ?? (member.epoch < epoch ? { basis: basisOf(member) } : undefined);
    const contents = await contentFor(member, replacing !== undefined);
    if (!contents.ok)
      return trace.error({ document, code: contents.error.code }, contents.error.message);
    const [only] = contents.value;
    if (only?.kind === 'nothing' && answers === undefined && sameHeads(member.heads, heads))
      return members.remember({ ...member, dirty: false });
    const appended = await appendAll(member, contents.value, {
      epoch,
      heads: [...heads],
      ...(answers === undefined ? {} : { answers }),
      ...(replacing === undefined ? {} : { replaces: replacing }),
    });
    if (!appended.ok) {
      trace.warn({ document, device, code: appended.error.code }, appended.error.message);
      return members.remember({ ...member, dirty: true });
    }
    await members.store({ ...member, epoch, heads, position: appended.value, dirty: false });
  };

  const inform = async (member: MemberState): Promise<void> => {
    const { document, device } = member;
    const shares = await members.mayShare(document, device);
    if (shares.ok) return shares.value ? tell(member) : members.leave(document, device);
    trace.error({ document, device, code: shares.error.code }, shares.error.message);
    members.remember({ ...member, dirty: true });
  };

  return {
    tell,
    inform,
    async toAll(document, except) {
      for (const member of members.of(document))
        if (member.device === except) continue;
        else if (member.position === 0) await inform(member);
        else {
          members.remember({ ...member, dirty: true });
          nudge?.(member.device);
        }
    },
  };
}

const basisOf = ({ epoch, basisEpoch, basis }: Member): string[] =>
  basisEpoch === epoch ? [...basis] : [];
