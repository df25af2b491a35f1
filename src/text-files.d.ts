/** Files that are imported as their text, `with { type: 'text' }`. */
declare module '*.sh' {
  const text: string
  export default text
}
