// The plan of both rollouts. What a device judges by itself is left to what every process shows, failures and time; how
// the model behaves is the gate's to judge, over all devices of the canary.

export interface FleetSize {
  readonly canary: number;
  readonly devices: number;
  readonly soakMs: number;
}

const minuteMs = 60_000;
/** Of a smaller canary a gate could not show that a fifth of its devices is slower, and would refuse to be asked. */
const ratioDevicesMin = 6;

export function planRollout(id: string, version: string, { canary, devices, soakMs }: FleetSize) {
  const rest = devices - canary;
  return {
    id,
    model: 'digits',
    version,
    waves: [{ count: canary }, ...(rest > canary * 4 ? [{ count: Math.ceil(rest / 3) }] : []), {}],
    device: {
      metered: 'allow',
      shadow: { runsMin: 20, agreementMin: 0, shareMax: 1, latencyMsMax: 500 },
      soak: {
        forMs: soakMs,
        requestsMin: 30,
        limits: {
          failureShareMax: 0.02,
          latencyRatioMax: 20,
          exitShareDropMax: 1,
          disagreementRiseMax: 1,
        },
      },
      timeouts: {
        fetchMs: 2 * minuteMs,
        shadowMs: 2 * minuteMs,
        activateMs: 2 * minuteMs,
        soakMs: 3 * minuteMs,
      },
    },
    herd: { fetchesPerMinute: 600, activationsPerMinute: 600 },
    gate: {
      devicesMin: canary,
      failures: { riseMax: 0.02, answersMin: canary * 20 },
      escalations: { riseMax: 0.1, answersMin: canary * 20 },
      // Few are escalated, and of the confident ones one in five is audited.
      disagreements: { riseMax: 0.3, answersMin: 1 },
      audits: { riseMax: 0.05, answersMin: canary * 2 },
      shadow: { differShareMax: 0.1 },
      ...(canary < ratioDevicesMin
        ? {}
        : {
            latency: { ratioMax: 10, worseShareMax: 0.2 },
            memory: { ratioMax: 2, worseShareMax: 0.2 },
          }),
      onHarm: 'rollback',
    },
    timeouts: {
      takeMs: 2 * minuteMs,
      graceMs: minuteMs,
      revertMs: minuteMs,
      waveMs: 20 * minuteMs,
    },
  };
}
