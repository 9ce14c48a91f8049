import { expect, it } from 'vitest';
import { languageOf } from './language-of.ts';

const texts: readonly (readonly [language: string, text: string])[] = [
  [
    'en',
    'The pump of the cooling circuit is bled at the brass valve above the motor. Close the valve as soon as water comes without air, and check the level of the tank before the motor is started again.',
  ],
  [
    'de',
    'Die Pumpe des Kühlkreises wird am Messingventil über dem Motor entlüftet. Das Ventil ist zu schließen, sobald Wasser ohne Luft austritt, und der Stand im Behälter ist zu prüfen.',
  ],
  [
    'fr',
    'La pompe du circuit de refroidissement est purgée à la vanne en laiton au-dessus du moteur. Fermez la vanne dès que l’eau sort sans air, puis vérifiez le niveau du réservoir.',
  ],
  [
    'ru',
    'Насос контура охлаждения прокачивают через латунный клапан над двигателем. Закройте клапан, как только вода пойдёт без воздуха, и проверьте уровень в баке перед пуском.',
  ],
  [
    'nb',
    'Pumpen i kjølekretsen luftes ved messingventilen over motoren. Steng ventilen så snart det kommer vann uten luft, og kontroller nivået i tanken før motoren startes igjen.',
  ],
];

it.each(texts)('[LIB52] tells %s', (language, text) => {
  expect(languageOf(text)).toBe(language);
});

it('[LIB52] says nothing of what is short, no prose, or in several languages, and looks past code', () => {
  const [[, english], [, german]] = texts as unknown as [[string, string], [string, string]];
  expect(languageOf('The pump is bled.')).toBeUndefined();
  expect(languageOf('int main(void) { return x_1 + y_2; } '.repeat(50))).toBeUndefined();
  expect(
    languageOf('a b c d e f g h i j k l m n o p q r s t u v w x y z '.repeat(9)),
  ).toBeUndefined();
  expect(languageOf(`${'x_1 = y_2; '.repeat(30)}${english} ${english}`)).toBe('en');
  const mixed = `${english.slice(0, 100)} ${german.slice(0, 100)} `.repeat(4);
  expect([undefined, 'en', 'de']).toContain(languageOf(mixed));
});
