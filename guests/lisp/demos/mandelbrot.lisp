; The Mandelbrot set in colours of the 256-colour palette.
(define limit 48)

(define (escape cx cy x y count)
  (let ((xx (* x x)) (yy (* y y)))
    (cond ((= count limit) 0)
          ((> (+ xx yy) 4) count)
          (t (escape cx cy (+ (- xx yy) cx) (+ (* 2 x y) cy) (+ count 1))))))

(define (shade count)
  (if (= count 0) 16 (+ 17 (mod (* count 7) 214))))

(let ((row 0))
  (while (< row 24)
    (let ((column 0))
      (while (< column 72)
        (display "\e[48;5;"
                 (shade (escape (- (/ column 24) 2.25) (- (/ row 10) 1.2) 0 0 0))
                 "m ")
        (set! column (+ column 1))))
    (display "\e[0m\n")
    (set! row (+ row 1))))
