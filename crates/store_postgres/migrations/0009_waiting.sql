-- Figures of what waits: figures.series 5.
ALTER TABLE figures DROP CONSTRAINT figures_series_check;
ALTER TABLE figures ADD CONSTRAINT figures_series_check CHECK (series BETWEEN 1 AND 5);
