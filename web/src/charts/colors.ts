// Told apart also without colour vision, on white and on black; the brand comes first.
export const lightColors = ['rgb(var(--brand-ink))', '#0d9488', '#d97706', '#9333ea', '#db2777', '#0891b2', '#65a30d', '#78716c'];
export const darkColors = ['rgb(var(--brand-ink))', '#2dd4bf', '#fbbf24', '#c084fc', '#f472b6', '#22d3ee', '#a3e635', '#a8a29e'];
