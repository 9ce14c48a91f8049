// What secure aggregation costs a client and the server, beside the paper's figures (Bonawitz et al., CCS 2017).

import type { SecureAggregation } from './measurements/secure-aggregation.ts';
import type { Bench } from './sections.ts';
import { number, ratio, renderTable } from './table.ts';

export async function secureSection({ measure, effort, onCase }: Bench): Promise<string> {
  const rows: string[][] = [];
  for (const { values, clients } of effort.secure.cases)
    for (const share of effort.secure.droppedShares) {
      const dropped = Math.round(share * clients);
      onCase(`secure aggregation, ${values} values, ${clients} clients, ${dropped} dropped`);
      const cost = await measure('secure-aggregation', { values, clients, dropped });
      rows.push(rowOf({ values, clients, dropped, ...cost }));
    }
  return [
    'Secure aggregation: one round, processor milliseconds; who drops out does so after its keys are shared',
    renderTable(
      [
        'values, clients, dropped',
        'client ms',
        'unmasked',
        'ms a peer',
        'up KB',
        'down KB',
        'over float32',
        'server ms',
        'unmasked',
        'masks',
        'ms a mask',
      ],
      [...rows, ...paperRows],
    ),
    '“unmasked”: what quantising or summing alone takes; “over float32”: bytes of both directions over the update as it is.',
    'The paper: Java, 100 000 values of 16 bits, P-256, AES-CTR, one core of another machine, more clients: compare a peer and a mask.',
  ].join('\n');
}

function rowOf(
  of: SecureAggregation & { values: number; clients: number; dropped: number },
): string[] {
  const bytes = of.clientBytesUp + of.clientBytesDown;
  return [
    `${of.values}, ${of.clients}, ${of.dropped}`,
    number(of.clientMs),
    number(of.quantiseMs),
    number((of.clientMs - of.quantiseMs) / of.clients),
    number(of.clientBytesUp / 1000),
    number(of.clientBytesDown / 1000),
    ratio(bytes / (4 * of.values)),
    number(of.serverMs),
    number(of.plainMs),
    String(of.masks),
    number(of.masksMs / of.masks),
  ];
}

/** Of 100 000 values; a server's masks are n for survivors' own and dead × survivors for pairs. */
const paper = [
  { clients: 500, dropped: 0, clientMs: 849, serverMs: 2_000 },
  { clients: 500, dropped: 50, clientMs: 849, serverMs: 62_000 },
  { clients: 500, dropped: 150, clientMs: 849, serverMs: 143_000 },
  { clients: 1_000, dropped: 0, clientMs: 1_699 },
];

const paperRows = paper.map(({ clients, dropped, clientMs, serverMs }) => {
  const survivors = clients - dropped;
  const masks = survivors + dropped * survivors;
  return [
    `the paper: 100000, ${clients}, ${dropped}`,
    number(clientMs),
    '',
    number(clientMs / clients),
    '',
    '',
    '',
    serverMs === undefined ? '' : number(serverMs),
    '',
    String(masks),
    serverMs === undefined ? '' : number(serverMs / masks),
  ];
});
