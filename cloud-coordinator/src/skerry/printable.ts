// Text from elsewhere as a terminal may be given it: a device's reason or a bundle's summary moves no cursor, and hides
// nothing.

export const printable = (text: string): string => text.replace(/[^\P{Cc}\n]/gu, '\ufffd');
