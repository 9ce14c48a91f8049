// The agent's configuration: every key, its default and its bounds.

import { zooDirectory } from '@skerry/models/node';
import { deviceIdSchema } from '@skerry/shared';
import { logLevels } from '@skerry/shared/node';
import { z } from 'zod';
import { policies } from './route/decide.ts';

const portSchema = z.coerce.number().int().min(0).max(65_535);
const count = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

export const agentConfigSchema = z.object({
  device: deviceIdSchema.default('device-1').describe('this device’s name in the fleet'),
  target: z.string().max(64).default('unknown').describe('kind of hardware, for the operator'),
  dataDir: z.string().min(1).default('.skerry/agent').describe('where the store lies'),
  httpHost: z.string().default('127.0.0.1').describe('address of the local API'),
  httpPort: portSchema.default(8081).describe('port of the local API; 0 takes a free one'),
  brokerUrl: z
    .url({ protocol: /^mqtts?$/ })
    .default('mqtt://127.0.0.1:1883')
    .describe('the MQTT broker'),
  bundles: z
    .string()
    .default(`${zooDirectory}/digits`)
    .describe('folders of the bundles to serve, separated by commas'),
  policy: z.enum(policies).default('sync-with-deadline').describe('where answers come from'),
  deadlineMs: count(1, 600_000).default(250).describe('time to answer, where a request names none'),
  threads: count(1, 64).default(1).describe('threads inside one operator'),
  inferQueueMax: count(1, 100_000).default(256).describe('requests waiting for the model'),
  waitersMax: count(1, 100_000).default(1024).describe('requests waiting for the cloud'),
  outboxOpsMax: count(1, 10_000_000).default(100_000).describe('unacknowledged ops kept'),
  outboxBytesMax: count(1024, 2 ** 40)
    .default(256 * 1024 * 1024)
    .describe('their bytes'),
  answersMax: count(1, 10_000_000).default(100_000).describe('settled escalations kept'),
  bodyBytesMax: count(1024, 2 ** 30)
    .default(4 * 1024 * 1024)
    .describe('bytes of one request'),
  statusIntervalMs: count(100, 3_600_000)
    .default(10_000)
    .describe('how often the coordinator hears how this device is'),
  logLevel: z.enum(logLevels).default('info').describe('least level that is logged'),
});

export type AgentConfig = z.output<typeof agentConfigSchema>;
