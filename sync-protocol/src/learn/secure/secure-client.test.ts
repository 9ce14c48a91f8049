// What a client refuses: a server that lies to it, in each way that would tell the server more than a sum.

import { assert } from '@skerry/shared';
import { unwrap } from '@skerry/shared/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  createSecureCohort,
  plainSum,
  playSecureRound,
  type SecureCohort,
  sampleInput,
  sampleSecurePlan,
  sampleSession,
} from '../../testing/index.ts';
import type { ClientState } from './client-state.ts';
import { joinSecureRound, takeFromServer } from './secure-client.ts';
import {
  decodeFromClient,
  decodeFromServer,
  encodeFromServer,
  type FromServer,
  type FromServerAt,
} from './secure-messages.ts';
import type { SecurePlan, SecureSession } from './secure-plan.ts';
import {
  awaitedClients,
  closeStage,
  openSecureRound,
  type ServerState,
  takeFromClient,
  wordsFor,
} from './secure-server.ts';
import { keysTranscript } from './transcript.ts';

const cohort = createSecureCohort(6);
const other = createSecureCohort(6);
const plan = sampleSecurePlan();
const session = sampleSession();
const policy = { thresholdMin: 2, adversary: 'curious' } as const;
const names = [...cohort.members.keys()];
const input = sampleInput(cohort, plan, 30, (i) => i / 8);

interface World {
  server: ServerState;
  readonly clients: Map<string, ClientState>;
}

const join = (name: string, at: SecureSession = session, of: SecurePlan = plan, from = cohort) => {
  const member = from.members.get(name);
  assert(member !== undefined, 'a client');
  return unwrap(joinSecureRound(name, at, of, policy, member.ports));
};

const take = (state: ClientState, bytes: Uint8Array) =>
  takeFromServer(state, bytes, cohort.members.get(state.keys.client)?.ports ?? missing(), input);
const missing = (): never => assert(false, 'a client') as never;

/** An honest round up to the questions of `stage`; whoever is in `silent` is not heard from `input` on. */
function upTo(stage: 'shares' | 'input' | 'consistency' | 'unmask', silent: string[] = []): World {
  let server = unwrap(openSecureRound(session, plan, names));
  const clients = new Map<string, ClientState>();
  for (const name of names) {
    const { state, reply } = join(name);
    clients.set(name, state);
    server = unwrap(takeFromClient(server, name, reply, cohort));
  }
  server = unwrap(closeStage(server));
  while (server.stage !== stage) {
    for (const name of awaitedClients(server)) {
      if (server.stage !== 'shares' && silent.includes(name)) continue;
      const step = take(stateOf(clients, name), wordsOf(server, name));
      clients.set(name, step.state);
      server = unwrap(takeFromClient(server, name, unwrap(step.reply), cohort));
    }
    server = unwrap(closeStage(server));
  }
  return { server, clients };
}

const stateOf = (clients: Map<string, ClientState>, name: string): ClientState =>
  clients.get(name) ?? missing();
const wordsOf = (server: ServerState, name: string): Uint8Array =>
  wordsFor(server, name) ?? missing();

/** What the server would have told c00, changed. */
function changed<S extends FromServer['stage']>(
  { server }: World,
  stage: S,
  change: (words: FromServerAt<S>) => Partial<FromServerAt<S>>,
): Uint8Array {
  const words = unwrap(decodeFromServer(wordsOf(server, 'c00'), session)) as FromServerAt<S>;
  assert(words.stage === stage, 'words of the stage');
  const { v: _, run: __, round: ___, attempt: ____, ...rest } = { ...words, ...change(words) };
  return encodeFromServer(session, rest as Parameters<typeof encodeFromServer>[1]);
}

/** c00 refuses, gives nothing away, and answers nothing more, not even what is right. */
function expectRefused(world: World, bytes: Uint8Array, why: string): void {
  const { state, reply } = take(stateOf(world.clients, 'c00'), bytes);
  expect(reply).toMatchObject({
    error: { code: 'untrusted', message: expect.stringContaining(why) },
  });
  expect(state.stage).toBe('refused');
  expect('secrets' in state || 'held' in state).toBe(false);
  expect(take(state, wordsOf(world.server, 'c00')).reply).toEqual(reply);
}

/** c00 does not take it for words of this stage at all, and goes on when the right ones come. */
function expectIgnored(world: World, bytes: Uint8Array, code: string): void {
  const before = stateOf(world.clients, 'c00');
  const { state, reply } = take(before, bytes);
  expect(reply).toMatchObject({ error: { code } });
  expect(state).toBe(before);
  expect(take(state, wordsOf(world.server, 'c00')).reply).toMatchObject({ ok: true });
}

describe('before it shares', () => {
  let world: World;
  beforeEach(() => {
    world = upTo('shares');
  });
  const members = (
    change: (of: FromServerAt<'shares'>['members']) => FromServerAt<'shares'>['members'],
  ) => changed(world, 'shares', (words) => ({ members: change(words.members) }));

  it('[SEC7] refuses keys that their client has not signed', () => {
    const [, stranger] = [0, join('c03')];
    const forged = unwrap(decodeFromClient(stranger.reply, session, 0));
    assert(forged.stage === 'keys', 'keys');
    for (const key of ['channelKey', 'maskKey', 'commitment'] as const)
      expectRefused(
        world,
        members((of) => of.map((m) => (m.client === 'c03' ? { ...m, [key]: forged[key] } : m))),
        'c03 are not signed',
      );
  });

  it('[SEC7] refuses keys that the server has signed with an identity of its own', () => {
    const own = join('c03', session, plan, other);
    const {
      v: _,
      run: __,
      round: ___,
      attempt: ____,
      stage: _____,
      ...keys
    } = unwrap(decodeFromClient(own.reply, session, 0)) as Extract<
      ReturnType<typeof decodeFromClient>,
      { ok: true }
    >['value'] & { stage: 'keys' };
    expectRefused(
      world,
      members((of) => of.map((m) => (m.client === 'c03' ? { client: 'c03', ...keys } : m))),
      'c03 are not signed',
    );
  });

  it('[SEC7] [SEC10] refuses keys of another attempt, round or run, or of another plan', () => {
    const elsewhere: [SecureSession, SecurePlan][] = [
      [{ ...session, attempt: 2 }, plan],
      [{ ...session, round: 4 }, plan],
      [{ ...session, run: 'run-2' }, plan],
      [session, sampleSecurePlan({ range: 4 })],
    ];
    for (const [at, of] of elsewhere) {
      const words = unwrap(decodeFromClient(join('c03', at, of).reply, at, 0));
      assert(words.stage === 'keys', 'keys');
      const { channelKey, maskKey, commitment, credential, signature } = words;
      const member = { client: 'c03', channelKey, maskKey, commitment, credential, signature };
      expectRefused(
        world,
        members((all) => all.map((m) => (m.client === 'c03' ? member : m))),
        'c03 are not signed',
      );
    }
  });

  it('[SEC7] refuses a list without its own keys, or with others in their place', () => {
    expectRefused(
      world,
      members((of) => of.slice(1)),
      'its own keys',
    );
    const again = unwrap(decodeFromClient(join('c00').reply, session, 0));
    assert(again.stage === 'keys', 'keys');
    const { channelKey, maskKey, commitment, credential, signature } = again;
    const member = { client: 'c00', channelKey, maskKey, commitment, credential, signature };
    expectRefused(
      world,
      members(([, ...rest]) => [member, ...rest]),
      'its own keys',
    );
  });

  it('[SEC7] refuses a key that two clients show', () => {
    const c01 = cohort.members.get('c01')?.ports.signer;
    assert(c01 !== undefined, 'a signer');
    // c01 is in league with the server, and signs what it is told to.
    expectRefused(
      world,
      members((of) =>
        of.map((m) => {
          const twin = of.find(({ client }) => client === 'c02');
          if (m.client !== 'c01' || twin === undefined) return m;
          const copied = { ...m, maskKey: twin.maskKey };
          return { ...copied, signature: c01.sign(keysTranscript(session, plan, copied)) };
        }),
      ),
      'shown twice',
    );
  });

  it('[SEC7] refuses a key of low order', () => {
    const c01 = cohort.members.get('c01')?.ports.signer;
    assert(c01 !== undefined, 'a signer');
    expectRefused(
      world,
      members((of) =>
        of.map((m) => {
          if (m.client !== 'c01') return m;
          const low = { ...m, channelKey: new Uint8Array(32) };
          return { ...low, signature: c01.sign(keysTranscript(session, plan, low)) };
        }),
      ),
      'low order',
    );
  });

  it('[SEC6] refuses fewer clients than the threshold, and more than planned', () => {
    const three = sampleSecurePlan({ thresholdMin: 4, clientsMax: 5 });
    const joined = new Map(names.map((name) => [name, join(name, session, three)]));
    const all = [...joined].map(([client, { reply }]) => {
      const words = unwrap(decodeFromClient(reply, session, 0));
      assert(words.stage === 'keys', 'keys');
      const { channelKey, maskKey, commitment, credential, signature } = words;
      return { client, channelKey, maskKey, commitment, credential, signature };
    });
    const told = (count: number) =>
      take(
        joined.get('c00')?.state ?? missing(),
        encodeFromServer(session, { stage: 'shares', members: all.slice(0, count) }),
      ).reply;
    expect(told(3)).toMatchObject({ error: { code: 'untrusted', message: '3 are too few' } });
    expect(told(4)).toMatchObject({ ok: true });
    expect(told(6)).toMatchObject({
      error: { message: expect.stringContaining('more than planned') },
    });
  });

  it('[SEC9] takes no list that is out of order or names a client twice', () => {
    expectIgnored(
      world,
      members((of) => [...of].reverse()),
      'malformed_message',
    );
    expectIgnored(
      world,
      members((of) => [...of, of[5] ?? missing()]),
      'malformed_message',
    );
  });

  it('[SEC6] joins no round below its own policy', () => {
    const { ports } = cohort.members.get('c00') ?? missing();
    const joining = (
      over: Parameters<typeof sampleSecurePlan>[0],
      own: Parameters<typeof joinSecureRound>[3],
    ) => joinSecureRound('c00', session, sampleSecurePlan(over), own, ports);
    const strict = { thresholdMin: 3, adversary: 'active' } as const;
    expect(joining({ thresholdMin: 2, adversary: 'active' }, strict)).toMatchObject({
      error: { code: 'permission_denied' },
    });
    expect(joining({ thresholdMin: 3, adversary: 'curious' }, strict)).toMatchObject({
      error: { code: 'permission_denied' },
    });
    expect(joining({ thresholdMin: 3, adversary: 'active' }, strict)).toMatchObject({ ok: true });
    expect(joining({ thresholdMin: 1 }, policy)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
    expect(joining({ levels: 2 ** 31 }, policy)).toMatchObject({
      error: { code: 'invalid_argument' },
    });
  });
});

describe('before it masks', () => {
  let world: World;
  beforeEach(() => {
    world = upTo('input');
  });
  const boxes = (change: (of: FromServerAt<'input'>['boxes']) => FromServerAt<'input'>['boxes']) =>
    changed(world, 'input', (words) => ({ boxes: change(words.boxes) }));

  it('[SEC6] refuses where fewer than the threshold have dealt: its mask would be theirs', () => {
    expectRefused(
      world,
      boxes((of) => of.slice(0, 2)),
      '3 of 4 have dealt',
    );
    expectRefused(
      world,
      boxes(() => []),
      '1 of 4 have dealt',
    );
  });

  it('[SEC9] refuses a share from a stranger, or from itself', () => {
    const box = (of: FromServerAt<'input'>['boxes']) => of[0]?.box ?? missing();
    expectRefused(
      world,
      boxes((of) => [...of, { client: 'd00', box: box(of) }]),
      'd00 is none',
    );
    expectRefused(
      world,
      boxes((of) => [{ client: 'c00', box: box(of) }, ...of]),
      'to itself',
    );
  });

  it('[SEC12] a share that does not open costs that share alone', () => {
    const step = take(
      stateOf(world.clients, 'c00'),
      boxes((of) =>
        of.map((b) => (b.client === 'c03' ? { ...b, box: b.box.map((x) => x ^ 1) } : b)),
      ),
    );
    assert(step.state.stage === 'masked', 'it goes on');
    expect(step.state.held.get('c03')).toBeUndefined();
    expect(step.state.held.get('c04')).toBeDefined();
  });

  it('[SEC12] a share that was sealed for another does not open', () => {
    const meant = unwrap(
      decodeFromServer(wordsOf(world.server, 'c01'), session),
    ) as FromServerAt<'input'>;
    const theirs = meant.boxes.find(({ client }) => client === 'c03') ?? missing();
    const step = take(
      stateOf(world.clients, 'c00'),
      boxes((of) => of.map((b) => (b.client === 'c03' ? theirs : b))),
    );
    assert(step.state.stage === 'masked', 'it goes on');
    expect(step.state.held.get('c03')).toBeUndefined();
  });

  it('[SEC5] masks one vector in an attempt, and no other', () => {
    const asked = wordsOf(world.server, 'c00');
    const first = take(stateOf(world.clients, 'c00'), asked);
    expect(first.reply.ok).toBe(true);
    const fewer = boxes((of) => of.slice(1));
    for (const again of [asked, fewer]) {
      const second = take(first.state, again);
      expect(second.reply).toMatchObject({ error: { code: 'invalid_argument' } });
      expect(second.state).toBe(first.state);
    }
  });

  it('[SEC3] wants an update of the plan’s length', () => {
    const { ports } = cohort.members.get('c00') ?? missing();
    const state = stateOf(world.clients, 'c00');
    for (const bad of [undefined, input.subarray(1)])
      expect(takeFromServer(state, wordsOf(world.server, 'c00'), ports, bad)).toMatchObject({
        state,
        reply: { error: { code: 'invalid_argument' } },
      });
  });

  it('[SEC8] its masked vector tells nothing of the update', () => {
    const masked = (update: Uint32Array): Uint32Array => {
      const { ports } = cohort.members.get('c00') ?? missing();
      const step = takeFromServer(
        stateOf(world.clients, 'c00'),
        wordsOf(world.server, 'c00'),
        ports,
        update,
      );
      const words = unwrap(decodeFromClient(unwrap(step.reply), session, 1_000));
      assert(words.stage === 'input', 'a vector');
      return new Uint32Array(words.vector.slice().buffer);
    };
    const zeros = masked(new Uint32Array(input.length));
    expect(new Set(zeros).size).toBe(zeros.length);
    const vector = masked(input);
    expect([...vector].map((word, i) => (word - (zeros[i] as number)) >>> 0)).toEqual([...input]);
  });
});

describe('before it signs', () => {
  let world: World;
  beforeEach(() => {
    world = upTo('consistency', ['c04', 'c05']);
  });
  const survivors = (of: string[]) => changed(world, 'consistency', () => ({ survivors: of }));

  it('[SEC6] [SEC8] refuses a sum of fewer than the threshold, and of itself alone', () => {
    expectRefused(world, survivors(['c00', 'c01', 'c02']), 'a sum of 3, 4 are needed');
    expectRefused(world, survivors(['c00']), 'a sum of 1');
  });

  it('[SEC9] refuses to be said dead', () => {
    expectRefused(world, survivors(['c01', 'c02', 'c03', 'c04']), 'it is said to be dead');
  });

  it('[SEC9] refuses a stranger, and who has never dealt', () => {
    expectRefused(world, survivors(['c00', 'c01', 'c02', 'c03', 'd00']), 'd00 has dealt no shares');
  });

  it('[SEC9] takes no list that names a client twice', () => {
    expectIgnored(world, survivors(['c00', 'c01', 'c01', 'c02', 'c03']), 'malformed_message');
    expectIgnored(world, survivors(['c01', 'c00', 'c02', 'c03']), 'malformed_message');
  });

  it('[SEC5] signs one list, and no second that calls another dead or alive again', () => {
    const first = take(stateOf(world.clients, 'c00'), wordsOf(world.server, 'c00'));
    expect(first.state.stage).toBe('signed');
    for (const list of [
      ['c00', 'c01', 'c02', 'c04'],
      ['c00', 'c01', 'c02', 'c03', 'c04'],
      ['c00', 'c01', 'c02', 'c03'],
    ]) {
      const second = take(first.state, survivors(list));
      expect(second.reply).toMatchObject({ error: { code: 'invalid_argument' } });
      expect(second.state).toBe(first.state);
    }
  });
});

describe('before it reveals', () => {
  let world: World;
  beforeEach(() => {
    world = upTo('unmask', ['c05']);
  });
  const signatures = (
    change: (of: FromServerAt<'unmask'>['signatures']) => FromServerAt<'unmask'>['signatures'],
  ) => changed(world, 'unmask', (words) => ({ signatures: change(words.signatures) }));

  it('[SEC4] gives of each client the one secret or the other, never both', () => {
    const { reply } = take(stateOf(world.clients, 'c00'), wordsOf(world.server, 'c00'));
    const words = unwrap(decodeFromClient(unwrap(reply), session, 0));
    assert(words.stage === 'unmask', 'shares');
    expect(words.seeds.map(({ client }) => client)).toEqual(['c00', 'c01', 'c02', 'c03', 'c04']);
    expect(words.maskKeys.map(({ client }) => client)).toEqual(['c05']);
  });

  it('[SEC13] refuses fewer signatures than the threshold', () => {
    expectRefused(
      world,
      signatures((of) => of.slice(0, 3)),
      '3 have signed, 4 are needed',
    );
    expectRefused(
      world,
      signatures(() => []),
      '0 have signed',
    );
  });

  it('[SEC13] refuses a signature that is not that client’s', () => {
    const swapped = signatures((of) =>
      of.map((s, i) => ({ ...s, signature: of[(i + 1) % of.length]?.signature ?? missing() })),
    );
    expectRefused(world, swapped, 'has signed another list');
    expectRefused(
      world,
      signatures((of) => [...of, { ...(of[0] ?? missing()), client: 'c05' }]),
      'no survivor',
    );
    expectRefused(
      world,
      signatures((of) => [...of, { ...(of[0] ?? missing()), client: 'd00' }]),
      'no survivor',
    );
  });

  it('[SEC9] takes no signature twice', () => {
    expectIgnored(
      world,
      signatures((of) => of.flatMap((s) => [s, s]).slice(0, 4)),
      'malformed_message',
    );
  });

  it('[SEC13] refuses when others were told of other survivors', () => {
    // To c00 the server says that c04 is dead, to the others that it lives: it would learn both secrets of c04.
    const split = upTo('consistency', ['c05']);
    const told = changed(split, 'consistency', () => ({ survivors: ['c00', 'c01', 'c02', 'c03'] }));
    const step = take(stateOf(split.clients, 'c00'), told);
    expect(step.reply.ok).toBe(true);
    split.clients.set('c00', step.state);
    for (const name of ['c01', 'c02', 'c03', 'c04']) {
      const honest = take(stateOf(split.clients, name), wordsOf(split.server, name));
      split.server = unwrap(takeFromClient(split.server, name, unwrap(honest.reply), cohort));
    }
    split.server = unwrap(closeStage(split.server));
    const { signatures: all } = split.server.stage === 'unmask' ? split.server : missing();
    const words = encodeFromServer(session, { stage: 'unmask', signatures: [...all] });
    expect(take(step.state, words).reply).toMatchObject({
      error: { code: 'untrusted', message: expect.stringContaining('has signed another list') },
    });
  });

  it('[SEC5] reveals once', () => {
    const asked = wordsOf(world.server, 'c00');
    const first = take(stateOf(world.clients, 'c00'), asked);
    expect(first.state.stage).toBe('revealed');
    expect('held' in first.state).toBe(false);
    expect(take(first.state, asked).reply).toMatchObject({ error: { code: 'invalid_argument' } });
  });
});

describe('another attempt', () => {
  const vectorOf = (from: SecureCohort, at: SecureSession): Uint8Array => {
    const inputs = new Map(names.map((name) => [name, input]));
    const played = unwrap(
      playSecureRound(from, { session: at, plan, inputs, stopBefore: 'consistency' }),
    );
    return played.inputs.get('c00') ?? missing();
  };

  it('[SEC10] has new keys and another mask: two vectors of one update have nothing in common', () => {
    const fresh = createSecureCohort(6);
    const vectors = [1, 2].map((attempt) => {
      const at = { ...session, attempt };
      const words = unwrap(decodeFromClient(vectorOf(fresh, at), at, 1_000));
      assert(words.stage === 'input', 'a vector');
      return [...new Uint32Array(words.vector.slice().buffer)];
    }) as [number[], number[]];
    expect(vectors[0].filter((word, i) => word === vectors[1][i])).toEqual([]);
    expect(plainSum([input])).not.toEqual(vectors[0]);
  });

  it('[SEC10] is not answered with what was made for this one', () => {
    const world = upTo('shares');
    const stale = encodeFromServer({ ...session, attempt: 2 }, { stage: 'shares', members: [] });
    expectIgnored(world, stale, 'expired');
  });
});

it('[SEC9] throws at nothing that a server says', () => {
  const world = upTo('shares');
  const honest = wordsOf(world.server, 'c00');
  for (let at = 0; at < honest.length; at += 7) {
    const bytes = honest.slice();
    bytes[at] = (bytes[at] as number) ^ (1 << (at % 8));
    const { reply } = take(stateOf(world.clients, 'c00'), bytes);
    expect(reply.ok).toBe(false);
  }
  for (const bytes of [new Uint8Array(0), honest.subarray(0, 9), new Uint8Array(3_000_000)])
    expect(take(stateOf(world.clients, 'c00'), bytes).reply.ok).toBe(false);
});
