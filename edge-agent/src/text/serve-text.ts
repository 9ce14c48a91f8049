// The device's texts as the configuration wants them, behind OpenAI's API.

import { createTextHandler, type TextHandler } from '@skerry/models/openai';
import type { AgentConfig } from '../config.ts';
import { createDeviceText, type DeviceTextPorts } from './device-text.ts';

const deadlineMsMax = 600_000;

export function serveText(config: AgentConfig, ports: DeviceTextPorts): TextHandler {
  return createTextHandler(
    createDeviceText(config, ports),
    {
      bodyBytesMax: config.bodyBytesMax,
      deadlineMs: config.textDeadlineMs,
      deadlineMsMax,
    },
    ports.clock,
  );
}
