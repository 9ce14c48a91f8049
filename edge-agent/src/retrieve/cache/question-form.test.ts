import { expect, it } from 'vitest';
import { questionForm } from './question-form.ts';

it.each([
  ['Where is the pump bled?', 'where’s the pump bled'],
  ['Where is the pump bled?', 'Please tell me where the pump is bled.'],
  ['Where is the pump bled?', 'Hi! Please, can you tell me where the pump is bled, thanks'],
  ['how do I open the valve of mine', 'How do we open a valve of mine?'],
  ['How do I open the valves?', 'could you please tell me how I open the valves'],
  ['Does it mean that it does not start?', "does it mean that it doesn't start"],
  ['may I open it', 'May we open it?'],
  ['The valve of the pump', 'the valves of the pumps'],
])('[CAC10] takes %j for %j', (one, other) =>
  expect(questionForm(one)).toEqual(questionForm(other)),
);

it.each([
  // Numbers, units, signs.
  ['May I give 400 mg?', 'May I give 800 mg?'],
  ['May I give 400 mg?', 'May I give 400 g?'],
  ['Is 1.5 bar safe?', 'Is 15 bar safe?'],
  ['Is 1.5 bar safe?', 'Is 1,5,0 bar safe?'],
  ['Does it run at -5 °C?', 'Does it run at 5 °C?'],
  ['Is it > 5 V?', 'Is it < 5 V?'],
  ['Open two valves', 'Open three valves'],
  // Negations.
  ['Is the pump safe to open?', 'Is the pump not safe to open?'],
  ['Can I open it?', "Can't I open it?"],
  ['Does it start cold?', "Doesn't it start cold?"],
  ['Run it with oil', 'Run it without oil'],
  ['Is there any leak?', 'Is there no leak?'],
  ['Should I never open it?', 'Should I ever open it?'],
  // Who does what to whom, from where to where, and when.
  ['Does the pump feed the tank?', 'Does the tank feed the pump?'],
  ['Does the relay cut the pump?', 'Is the relay cut by the pump?'],
  ['How do I convert from bar to psi?', 'How do I convert to bar from psi?'],
  ['Who do I call?', 'Who calls me?'],
  ['What is my name?', 'What is your name?'],
  ['What do I go by?', 'What do you go by?'],
  ['Open A before B', 'Open A after B'],
  ['Turn the pump on', 'Turn the pump off'],
  // What is asked.
  ['Where is it bled?', 'When is it bled?'],
  ['Can I run it dry?', 'Must I run it dry?'],
  ['When did it open?', 'When does it open?'],
  ['Is it for the gas?', 'Is it for the glass?'],
  ['Which pump is it?', 'Which motor is it?'],
])('[CAC10] tells %j from %j', (one, other) =>
  expect(questionForm(one)).not.toEqual(questionForm(other)),
);
