// What the technician asks: ten questions that the manuals answer, three that they cannot, and one that goes on from another.

export const answerable = [
  'What is the default port that upsd listens on?',
  'How do I calibrate the runtime of an APC UPS?',
  'How do I connect a UPS over USB?',
  'How can I replace the battery of the UPS?',
  'What permissions does the driver need on the serial port?',
  'How do several computers share one UPS?',
  'What does the killpower file do?',
  'Why did upsmon not shut down my system when I pulled the plug?',
  'What does BATTERYLEVEL in apcupsd.conf mean?',
  'What does the LOWBATT notification mean?',
] as const;

export const unanswerable = [
  'How do I change the toner of the printer?',
  'When should the hydraulic oil filter be changed?',
  'What is the capital of France?',
] as const;

/** The second says by itself not what it is about. */
export const conversation = [
  'How do I connect a UPS over USB?',
  'What about a serial cable?',
] as const;
