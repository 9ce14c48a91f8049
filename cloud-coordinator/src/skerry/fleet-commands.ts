// `skerry stop`, `resume`, `fleet`, `release`, `devices` and `why`: the whole fleet, and single devices.

import { digestSchema, nameSchema, ok, type Result } from '@skerry/shared';
import { instantOf } from '@skerry/shared/node';
import { z } from 'zod';
import { fleetViewSchema, whySchema } from '../http/rollout-views.ts';
import { type Answer, type Call, defineCommand } from './command.ts';
import { drawTable } from './draw-table.ts';
import { orderFlags, orderOf } from './rollout-commands.ts';

const none = z.strictObject({});

/** What a list of devices shows; the API tells more. */
const deviceSchema = z.looseObject({
  device: nameSchema,
  online: z.boolean(),
  lastSeenMs: z.number(),
  status: z
    .looseObject({
      target: z.string(),
      site: z.string().optional(),
      models: z.array(
        z.looseObject({
          name: z.string(),
          version: z.string(),
          update: z.looseObject({ state: z.string(), waiting: z.string().optional() }).optional(),
        }),
      ),
    })
    .optional(),
});
type Device = z.infer<typeof deviceSchema>;
const pageSchema = z.object({ devices: z.array(deviceSchema) });
const pageDevices = 1_000;
const pagesMax = 1_000;

export const fleetCommands = {
  stop: fleetOrder('stop', 'the whole fleet: nothing begins, and what is not confirmed goes back'),
  resume: fleetOrder('resume', 'ends a stop'),

  fleet: defineCommand({
    about: 'what holds for the whole fleet: a stop, quarantined bundles',
    operands: '',
    flags: none,
    run: async ({ client }) => shown(await client.get('/v1/fleet', fleetViewSchema)),
  }),

  release: defineCommand({
    about: 'ends a bundle’s quarantine',
    operands: 'BUNDLE',
    flags: orderFlags,
    async run(call) {
      const bundle = digestSchema.safeParse(call.operands[0]).data ?? call.operands[0];
      const body = { ...orderOf(call), bundle };
      return shown(await call.client.send('POST', '/v1/fleet/release', body, fleetViewSchema));
    },
  }),

  devices: defineCommand({
    about: 'which devices there are, and what they run',
    operands: '',
    flags: none,
    async run(call) {
      const devices = await listAll(call);
      if (!devices.ok) return devices;
      const text = drawDevices(devices.value, call.clock.nowMs());
      return ok({ text, value: { devices: devices.value } });
    },
  }),

  why: defineCommand({
    about: 'why a device runs what it runs, and for what it waits',
    operands: 'DEVICE',
    flags: none,
    async run({ client, operands: [device = ''] }) {
      const why = await client.get(`/v1/devices/${encodeURIComponent(device)}/why`, whySchema);
      if (!why.ok) return why;
      const { reasons } = why.value;
      const text = reasons.length === 0 ? 'it waits for nothing' : reasons.join('\n');
      return ok({ text, value: why.value });
    },
  }),
} as const;

function fleetOrder(order: 'stop' | 'resume', about: string) {
  return defineCommand({
    about,
    operands: '',
    flags: orderFlags,
    run: async (call) =>
      shown(await call.client.send('POST', `/v1/fleet/${order}`, orderOf(call), fleetViewSchema)),
  });
}

function shown(view: Result<z.infer<typeof fleetViewSchema>>): Result<Answer> {
  if (!view.ok) return view;
  const { stopped, quarantined } = view.value;
  const lines = [
    stopped === undefined
      ? 'not stopped'
      : `stopped by ${stopped.by} at ${instantOf(stopped.atMs)}: ${stopped.reason}`,
    ...quarantined.map(({ bundle, reason }) => `quarantined ${bundle}: ${reason}`),
  ];
  return ok({ text: lines.join('\n'), value: view.value });
}

async function listAll({ client }: Call<unknown>): Promise<Result<readonly Device[]>> {
  const all: Device[] = [];
  for (let page = 0; page < pagesMax; page++) {
    const after = all.at(-1)?.device;
    const query = new URLSearchParams({
      limit: String(pageDevices),
      ...(after === undefined ? {} : { after }),
    });
    const got = await client.get(`/v1/devices?${query}`, pageSchema);
    if (!got.ok) return got;
    all.push(...got.value.devices);
    if (got.value.devices.length < pageDevices) break;
  }
  return ok(all);
}

function drawDevices(devices: readonly Device[], nowMs: number): string {
  const rows = devices.map(({ device, online, lastSeenMs, status }) => [
    device,
    online ? 'online' : `silent for ${Math.round((nowMs - lastSeenMs) / 1_000)} s`,
    status?.site ?? '',
    status?.target ?? '',
    (status?.models ?? []).map(({ name, version }) => `${name} ${version}`).join(', '),
    (status?.models ?? [])
      .flatMap(({ update }) => update ?? [])
      .map(({ state, waiting }) => (waiting === undefined ? state : `${state}: ${waiting}`))
      .join(', '),
  ]);
  return drawTable(['device', '', 'site', 'target', 'runs', 'update'], rows);
}
