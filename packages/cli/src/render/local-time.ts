/** Go's text for a time in the local zone, `2026-11-20 20:40:23 +0000 UTC`. */
export function localTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const zone = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(date)
    .find(part => part.type === 'timeZoneName')?.value;
  return `${day} ${time} ${offset(date).replace(':', '')} ${zone?.startsWith('GMT') ? offset(date).replace(':', '') : zone}`;
}

/** `+02:00`. */
export function offset(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const two = (number: number) => String(number).padStart(2, '0');
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}:${two(size % 60)}`;
}
